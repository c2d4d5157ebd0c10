"""Abstention: the guarantee holds in simulation, estimates are careful, and thresholds are looked up carefully."""

import math
import re

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.errors import ModelError
from pipeline.sentiment.abstention import ANY, Abstention, AbstentionPoint, Kind
from pipeline.sentiment.abstention_fit import (
    DELTA,
    ERRORS,
    GRID,
    binomial_upper,
    estimate,
    fit_guaranteed,
    overconfidence,
    section,
)
from pipeline.sentiment.correction import Float64
from pipeline.sentiment.rule import DecisionRule, named
from tests.longer import few

Gold = npt.NDArray[np.int64]


def texts(count: int, seed: int, sharp: float = 1.9, pushed: float = 1.0) -> tuple[Float64, Gold]:
    """Posteriors and labels of a model whose confidence is right for ``pushed=1`` and too great above it."""
    rng = np.random.default_rng(seed)
    centres = sharp * np.array([[1.0, 0.0], [0.0, 0.0], [-0.5, 0.9]])
    gold = rng.choice(3, count, p=(0.2, 0.4, 0.4))
    points = centres[gold] + rng.normal(0, 1, (count, 2))
    logs = -0.5 * pushed * ((points[:, None, :] - centres) ** 2).sum(axis=2)
    exact = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(exact / exact.sum(axis=1, keepdims=True)), np.asarray(gold)


def true_error(threshold: float, population: tuple[Float64, Gold]) -> float:
    rows, gold = population
    reached = rows.max(axis=1) >= threshold
    return float((rows.argmax(axis=1) != gold)[reached].mean()) if reached.any() else 0.0


@pytest.mark.parametrize(
    ("wrong", "count", "delta"), [(0, 10, 0.05), (3, 100, 0.05), (50, 400, 0.01), (200, 5000, 0.0015), (9, 10, 0.05)]
)
def test_the_binomial_bound_is_where_the_tail_is_delta(wrong: int, count: int, delta: float) -> None:
    bound = binomial_upper(wrong, count, delta)
    tail = sum(
        math.exp(
            math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
            + k * math.log(bound) + (count - k) * math.log1p(-bound)
        )
        for k in range(wrong + 1)
    )  # fmt: skip
    assert tail == pytest.approx(delta, rel=1e-6)
    assert bound > wrong / count


def test_the_binomial_bound_at_its_ends() -> None:
    assert binomial_upper(0, 59, 0.05) == pytest.approx(1 - 0.05 ** (1 / 59), abs=1e-9), "the rule of three"
    assert binomial_upper(7, 7, 0.05) == 1.0
    for wrong, count, delta in ((-1, 5, 0.1), (6, 5, 0.1), (1, 5, 0.0)):
        with pytest.raises(ValueError, match="no binomial bound"):
            binomial_upper(wrong, count, delta)


@pytest.mark.parametrize("pushed", few([1.0, 2.5], [2.5]))
def test_the_guarantee_holds(pushed: float) -> None:
    """Of 400 held-out sets at most delta may lead to any threshold whose true error is above what was accepted, for a
    calibrated model and for one that is far too sure of itself.
    """
    population = texts(400_000, 999, pushed=pushed)
    errors_at = {threshold: true_error(threshold, population) for threshold in GRID}
    broken = 0
    runs = 400
    for seed in range(runs):
        rows, gold = texts(1500, seed, pushed=pushed)
        points = fit_guaranteed(rows, gold)
        broken += any(p.threshold is not None and errors_at[p.threshold] > p.error for p in points)
    # three standard errors of the share itself
    assert broken / runs <= DELTA + 3 * math.sqrt(DELTA * (1 - DELTA) / runs), f"{broken} of {runs}"


def test_a_threshold_without_correction_would_break_it() -> None:
    """The same search with the observed error in place of its bound is wrong in far more than delta of the runs."""
    population = texts(400_000, 999)
    errors_at = {threshold: true_error(threshold, population) for threshold in GRID}
    broken = 0
    for seed in range(100):
        rows, gold = texts(1500, seed)
        seen = {threshold: true_error(threshold, (rows, gold)) for threshold in GRID}
        broken += any(
            errors_at[next(t for t in GRID if seen[t] <= error)] > error
            for error in ERRORS
            if any(seen[t] <= error for t in GRID)
        )
    assert broken > 30


def test_it_judges_much_where_it_may() -> None:
    rows, gold = texts(5000, 1)
    points = {point.error: point for point in fit_guaranteed(rows, gold)}
    assert [points[error].coverage for error in ERRORS] == sorted(points[error].coverage for error in ERRORS)
    assert points[0.1].threshold is not None
    assert points[0.1].coverage > 0.4
    assert {point.kind for point in points.values()} == {"guaranteed"}
    assert {point.language for point in points.values()} == {"en"}
    assert points[0.3].threshold == 0.0, "the model is right in seven of ten anyway: everything is judged"


def test_few_texts_or_a_useless_model_give_no_threshold() -> None:
    rows, gold = texts(40, 2)
    assert all(point.threshold is None for point in fit_guaranteed(rows, gold, errors=(0.02, 0.05)))
    chance = np.random.default_rng(3).choice(3, 5000)
    points = fit_guaranteed(texts(5000, 4)[0], chance)
    assert {(point.threshold, point.coverage) for point in points} == {(None, 0.0)}
    with pytest.raises(ValueError, match="40 rows"):
        fit_guaranteed(rows, gold[:-1])


@pytest.mark.parametrize(
    ("pushed", "sharp", "trust"),
    [
        (1.0, 1.9, 1.0),  # confidence is right
        (1.0, 1.4, 1.0),  # and in a harder language, where it is lower, too
        (1.6, 1.9, 1.0),  # confidence is too great by 8 points, in English as there
        (1.6, 1.4, 0.93),  # ... and by more there, as English cannot show: what trust is for
    ],
)
def test_estimates_keep_the_error_without_a_label(pushed: float, sharp: float, trust: float) -> None:
    english = overconfidence(*texts(8000, 5, pushed=pushed))
    population = texts(400_000, 6, sharp=sharp, pushed=pushed)
    errors_at = {threshold: true_error(threshold, population) for threshold in GRID}
    over, given = [], 0
    for seed in range(40):
        rows, _ = texts(2000, 200 + seed, sharp=sharp, pushed=pushed)
        points = estimate(rows, "pt", trust=trust, english_overconfidence=english, errors=(0.1, 0.2, 0.3))
        assert {point.kind for point in points} == {"estimated"}
        over += [errors_at[p.threshold] - p.error for p in points if p.threshold is not None]
        given += sum(point.threshold is not None for point in points)
    assert given > 80
    # an estimate, no guarantee: posteriors for equally likely classes are a little off where the mix is another
    assert max(over) < 0.015
    assert np.mean(np.array(over) > 0.01) < 0.1


def test_where_a_model_is_less_right_than_it_knows_full_trust_is_too_much() -> None:
    english = overconfidence(*texts(8000, 5, pushed=1.6))
    population = texts(400_000, 6, sharp=1.4, pushed=1.6)
    rows, _ = texts(2000, 200, sharp=1.4, pushed=1.6)
    [bold] = estimate(rows, "pt", trust=1.0, english_overconfidence=english, errors=(0.2,))
    assert bold.threshold is not None
    assert true_error(bold.threshold, population) > 0.2


def test_less_trust_judges_less() -> None:
    rows, gold = texts(4000, 7)
    english = overconfidence(rows, gold)
    covered = [
        estimate(rows, "pt", trust=trust, english_overconfidence=english, errors=(0.2,))[0].coverage
        for trust in (1.0, 0.95, 0.9, 0.85)
    ]
    assert covered == sorted(covered, reverse=True)
    assert covered[0] > covered[-1]
    none = estimate(rows, "xx", trust=0.0, english_overconfidence=english)
    assert {point.threshold for point in none} == {None}
    with pytest.raises(ValueError, match="trust"):
        estimate(rows, "pt", trust=1.2, english_overconfidence={})


def test_no_estimate_is_bolder_than_the_guarantee() -> None:
    rows, gold = texts(4000, 8)
    guaranteed = fit_guaranteed(rows, gold, errors=(0.1, 0.2, 0.3))
    clear = np.tile([0.999, 0.0005, 0.0005], (500, 1))
    for point, english in zip(
        estimate(clear, "pt", trust=1.0, english_overconfidence={}, errors=(0.1, 0.2, 0.3), english=guaranteed),
        guaranteed,
        strict=True,
    ):
        assert english.threshold is not None
        assert point.threshold is not None
        assert point.threshold >= english.threshold
    impossible = [AbstentionPoint(language="en", error=0.1, threshold=None, coverage=0.0, kind="guaranteed")]
    [found] = estimate(clear, "pt", trust=1.0, english_overconfidence={}, english=impossible, errors=(0.1,))
    assert found.threshold is None


def test_few_unlabelled_texts_give_no_threshold() -> None:
    rows, gold = texts(20, 9)
    points = estimate(rows, "pt", trust=1.0, english_overconfidence=overconfidence(rows, gold))
    assert {point.threshold for point in points} == {None}
    assert estimate(np.zeros((0, 3)), "pt", trust=1.0, english_overconfidence={})[0].coverage == 0.0


def test_a_section_ends_with_the_most_careful_for_any_other_language() -> None:
    rows, gold = texts(4000, 10)
    guaranteed = fit_guaranteed(rows, gold)
    english = overconfidence(rows, gold)
    points = section(
        guaranteed,
        {tag: estimate(rows, tag, trust=t, english_overconfidence=english) for tag, t in (("pt", 0.98), ("sw", 0.85))},
    )
    for error in ERRORS:
        by_language = {p.language: 2.0 if p.threshold is None else p.threshold for p in points if p.error == error}
        assert set(by_language) == {"en", "pt", "sw", ANY}
        assert by_language[ANY] == max(by_language.values())
    own = [AbstentionPoint(language=ANY, error=0.1, threshold=0.99, coverage=0.1, kind="estimated")]
    assert [p for p in section(guaranteed, {ANY: own}) if p.language == ANY] == own
    assert {p.threshold for p in section(guaranteed, {}) if p.language == ANY} == {None}, "of which nothing is known"


def points_for(*errors: float) -> list[AbstentionPoint]:
    found: list[tuple[str, float | None, Kind]] = [
        ("en", 0.6, "guaranteed"),
        ("hi", 0.7, "estimated"),
        ("sw", None, "estimated"),
        ("*", 0.95, "estimated"),
    ]
    return [
        AbstentionPoint(language=language, error=error, threshold=threshold, coverage=0.5, kind=kind)
        for error in errors
        for language, threshold, kind in found
    ]


def test_thresholds_are_looked_up_carefully() -> None:
    found = Abstention(points_for(0.1, 0.2), 0.15)
    assert found.error == 0.1, "the section's greatest that is not above what is accepted"
    thresholds = {tag: found.threshold(tag) for tag in ("en", "hi", "sw", "hi-Latn", "und")}
    assert thresholds == {"en": 0.6, "hi": 0.7, "sw": 2.0, "hi-Latn": 0.95, "und": 0.95}
    assert found.point("en").kind == "guaranteed"
    assert Abstention(points_for(0.1), 0.1).error == 0.1
    assert Abstention(points_for(0.1), 0.9).error == 0.1


def test_a_folder_that_knows_no_threshold_is_an_error_that_says_so() -> None:
    with pytest.raises(ModelError, match=re.escape("no abstention section")) as refused:
        DecisionRule(named("t"), accept_error=0.1)
    assert "--accept-error" in str(refused.value)
    assert "BABELWATCH_ACCEPT_ERROR" in str(refused.value)
    with pytest.raises(ModelError, match=re.escape("begins at an error of 0.1: --accept-error 0.05 cannot be kept")):
        DecisionRule(named("t", abstention=points_for(0.1, 0.2)), accept_error=0.05)
    with pytest.raises(ModelError, match="language '\\*'"):
        DecisionRule(named("t", abstention=points_for(0.1)[:1]), accept_error=0.1)


def test_the_rule_abstains_and_says_so_in_its_name() -> None:
    facts = named("t", abstention=points_for(0.1))
    rule = DecisionRule(facts, accept_error=0.1)
    assert rule.name == f"{facts.name}+accept-0.1"
    value = (math.log(0.65), math.log(0.25), math.log(0.10))
    found = rule.judge("m", [value] * 4, ["en", "hi", "sw", "und"])
    assert [one.label for one in found] == ["negative", "unsure", "unsure", "unsure"]
    assert {one.negative for one in found} == {0.65}
    assert {one.label for one in DecisionRule(facts).judge("m", [value] * 4, ["en", "hi", "sw", "und"])} == {"negative"}
