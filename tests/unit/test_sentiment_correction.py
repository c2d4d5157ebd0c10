"""Log-probabilities to judgements."""

import math

import numpy as np
import pytest

from pipeline.sentiment.correction import RULE, PriorRule, corrected, log_softmax

PRIOR = (0.15, 0.45, 0.40)


def logs(*values: float) -> tuple[float, float, float]:
    a, b, c = (round(math.log(value), 6) for value in values)
    return a, b, c


def test_a_text_as_probable_as_the_prior_is_undecided() -> None:
    judgement = PriorRule(PRIOR).judge("m", logs(*PRIOR))
    assert (judgement.negative, judgement.neutral, judgement.positive) == pytest.approx((1 / 3, 1 / 3, 1 / 3), abs=1e-5)


def test_the_rare_class_wins_where_the_model_is_split() -> None:
    judgement = PriorRule(PRIOR).judge("m@1", logs(0.3, 0.4, 0.3))
    assert judgement.label == "negative"
    assert judgement.rule == RULE
    assert judgement.model == "m@1"
    assert judgement.target == ""
    total = 0.3 / 0.15 + 0.4 / 0.45 + 0.3 / 0.4
    assert judgement.negative == pytest.approx(2.0 / total, abs=2e-6)
    assert judgement.neutral == pytest.approx(0.4 / 0.45 / total, abs=2e-6)


def test_log_probabilities_are_kept_uncorrected() -> None:
    raw = logs(0.3, 0.4, 0.3)
    assert PriorRule(PRIOR).judge("m", raw).log_probabilities == raw


def test_a_uniform_prior_changes_nothing() -> None:
    judgement = PriorRule((1 / 3, 1 / 3, 1 / 3)).judge("m", logs(0.2, 0.5, 0.3))
    assert (judgement.negative, judgement.neutral, judgement.positive) == pytest.approx((0.2, 0.5, 0.3), abs=2e-6)


def test_extreme_logits_stay_finite_and_within_bounds() -> None:
    values = log_softmax(np.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0]]))
    assert np.isfinite(values).all()
    probabilities = corrected(values, np.log(np.array(PRIOR)))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert probabilities.sum(axis=1) == pytest.approx([1, 1], abs=2e-6)


def test_the_label_is_the_most_probable_class() -> None:
    rng = np.random.default_rng(3)
    rule = PriorRule(PRIOR)
    for row in log_softmax(rng.normal(0, 2, (200, 3))):
        judgement = rule.judge("m", (float(row[0]), float(row[1]), float(row[2])))
        assert getattr(judgement, judgement.label) == max(judgement.negative, judgement.neutral, judgement.positive)
