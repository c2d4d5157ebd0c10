"""The simulation of docs/decision-rule.md: what its pictures say is what the shipped code does."""

import numpy as np

from benchmarks.decision_rules import BIAS, RULES, day, macro_f1, stream, texts
from schemas.events import LABELS

UNIFORM = (1 / 3, 1 / 3, 1 / 3)
NONE = np.zeros(len(LABELS))


def test_the_simulated_model_is_as_good_as_ours() -> None:
    scores, gold = texts(40_000, UNIFORM, np.random.default_rng(0))
    assert 58 < macro_f1(gold, scores.argmax(axis=1)) < 62


def test_in_a_lopsided_stream_em_counts_better() -> None:
    found = stream(5000, (0.7, 0.2, 0.1), NONE, 4, 0)
    assert found["class mix (EM)"].net_error < 0.7 * found["minus log prior"].net_error
    assert found["parallel bias"].f1 > found["minus log prior"].f1 - 1.5, "without a bias it does nearly nothing"


def test_em_takes_a_bias_for_the_mix_and_parallel_sentences_do_not() -> None:
    right, leans = stream(5000, UNIFORM, NONE, 4, 1), stream(5000, UNIFORM, BIAS, 4, 1)
    assert leans["class mix (EM)"].f1 < leans["minus log prior"].f1 - 10
    assert leans["parallel bias"].f1 > leans["minus log prior"].f1 + 5
    assert leans["parallel bias"].f1 > right["minus log prior"].f1 - 2
    assert leans["both"].f1 > right["minus log prior"].f1 - 5


def test_over_a_day_em_sees_the_bad_afternoon_whole_and_late() -> None:
    series = day(NONE, quick=True)
    assert set(series) == {"hour", "true", *RULES}
    at = np.asarray(series["hour"])
    afternoon = (at >= 16) & (at < 18)
    seen = {rule: float(np.mean(np.asarray(series[rule])[afternoon])) for rule in ("true", *RULES)}
    assert seen["true"] < -50
    assert abs(seen["both"] - seen["true"]) < abs(seen["minus log prior"] - seen["true"])
    assert seen["minus log prior"] > -40
