"""Weights as arrays by the names that transformers gives them: reading, layers, averages. Pure numpy."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pipeline.errors import ModelError
from schemas.events import LABELS

Weights = dict[str, Any]
"""Float32 arrays: the encoder's keys without the word embeddings, ``head.weight`` and ``head.bias``."""
HEAD_KEYS: Final = ("head.weight", "head.bias")
_LAYER: Final = re.compile(r"(.*?\b(?:layers?|h|blocks)\.)(\d+)(\..*)")
"""``encoder.layer.3.…`` (BERT, XLM-R, DeBERTa), ``transformer.layer.3.…`` (DistilBERT), ``layers.3.…`` (ModernBERT)."""


def load_weights(path: Path) -> Weights:
    """Read a safetensors file of an encoder's keys plus the head as float32 arrays.

    Raises ModelError when it is missing, cut short, holds values that are no numbers, or has no head of three labels.
    """
    if not path.is_file():
        raise ModelError(
            f"{path} is not there: the export needs the trained weights as a safetensors file (keys of transformers' "
            "BertModel without the word embeddings, plus head.weight and head.bias); name it with --weights, or a run "
            "of `babelwatch model train` with --run"
        )
    try:
        tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(str(path)).items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelError(
            f"{path} is not a readable safetensors file ({error}): cut short or damaged; train the stage again"
        ) from None
    for key in HEAD_KEYS:
        if key not in tensors:
            raise ModelError(f"{path} has no {key}: it is not a sentiment model of this kind")
    weight, bias = (tensors[key] for key in HEAD_KEYS)
    if weight.ndim != 2 or len(weight) != len(LABELS) or bias.shape != (len(LABELS),):
        raise ModelError(
            f"{path}: the head has shapes {weight.shape} and {bias.shape}, expected ({len(LABELS)}, width) and "
            f"({len(LABELS)},): one row for each of {', '.join(LABELS)}"
        )
    broken = next((key for key, value in tensors.items() if not np.isfinite(value).all()), None)
    if broken is not None:
        raise ModelError(f"{path}: {broken} holds values that are not numbers")
    return tensors


def layer_count(weights: Mapping[str, Any]) -> int:
    """Number of transformer layers in ``weights``; 0 when they do not have layers of their own (ALBERT)."""
    return 1 + max((int(match[2]) for match in map(_LAYER.fullmatch, weights) if match), default=-1)


def keep_layers(weights: Weights, layers: Sequence[int]) -> Weights:
    """``weights`` with these layers alone, renumbered; all of them when ``layers`` is empty.

    Raises ModelError when there is no such layer.
    """
    if not layers:
        return weights
    there = layer_count(weights)
    if max(layers) >= there:
        raise ModelError(f"layer {max(layers)} cannot be kept: the weights have {there} layers, counted from 0")
    matches = {key: _LAYER.fullmatch(key) for key in weights}
    kept = {key: weights[key] for key, match in matches.items() if match is None}
    for new, old in enumerate(layers):
        for key, match in matches.items():
            if match and int(match[2]) == old:
                kept[f"{match[1]}{new}{match[3]}"] = weights[key]
    return kept


def layer_of(key: str) -> int | None:
    """The number of the layer that a weight belongs to; None outside of layers."""
    match = _LAYER.fullmatch(key)
    return int(match[2]) if match else None


def average(several: Sequence[Weights]) -> Weights:
    """The mean of several sets of weights of the same shapes."""
    return {key: np.mean([one[key] for one in several], axis=0, dtype=np.float32) for key in several[0]}
