"""Arithmetic on log-probabilities that every rule shares. Pure."""

from typing import Final

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

DECIMALS: Final = 6
"""The precision that is kept everywhere."""


def log_softmax(logits: Float64) -> Float64:
    """Row-wise log-softmax in float64, rounded to 6 decimals."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exact = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.asarray(np.round(exact, DECIMALS) + 0.0, np.float64)  # + 0.0 turns -0.0 into 0.0


def probabilities(scores: Float64) -> Float64:
    """Row-wise softmax of scores [n, 3], rounded to 6 decimals: what a judgement holds."""
    return np.asarray(np.round(np.exp(log_softmax(scores)), DECIMALS), np.float64)
