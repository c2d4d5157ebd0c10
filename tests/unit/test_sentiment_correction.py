"""Log-probabilities: finite, rounded once, the same in every batch."""

import numpy as np
import pytest

from pipeline.sentiment.correction import log_softmax, probabilities


def test_extreme_logits_stay_finite_and_within_bounds() -> None:
    values = log_softmax(np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]]))
    assert np.isfinite(values).all()
    found = probabilities(values - np.log([0.15, 0.45, 0.40]))
    assert ((found >= 0) & (found <= 1)).all()
    assert found.sum(axis=1) == pytest.approx([1, 1], abs=2e-6)


def test_a_row_does_not_depend_on_the_others() -> None:
    rows = np.random.default_rng(1).normal(0, 4, (1000, 3))
    together = log_softmax(rows)
    for size in (1, 3, 7, 64):
        parts = [log_softmax(rows[at : at + size]) for at in range(0, len(rows), size)]
        assert (np.vstack(parts) == together).all()


def test_minus_zero_is_zero() -> None:
    assert str(log_softmax(np.array([[50.0, -50.0, -50.0]]))[0, 0]) == "0.0"
