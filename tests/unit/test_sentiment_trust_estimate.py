"""The two lines behind the estimates: they never fall, and their intervals say how little they know."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sentiment.trust.estimate import (
    CHANCE,
    FLOOR,
    ExpectedAgreement,
    Known,
    agreement_line,
    fit,
    never_seen,
)

shares = st.floats(min_value=0.0, max_value=1.0)
points = st.lists(st.tuples(shares, shares), min_size=4, max_size=12)


@settings(deadline=None)
@given(points, shares, shares, st.floats(min_value=0, max_value=0.2))
def test_more_agreement_is_never_a_lower_score(
    found: list[tuple[float, float]], x: float, y: float, off: float
) -> None:
    line = agreement_line({str(n): point for n, point in enumerate(found)})
    assert line is not None
    low, high = sorted((x, y))
    assert line.at(low) <= line.at(high) + 1e-12
    one = line.interval(low, off)
    assert FLOOR - 1e-4 <= one.low <= one.value <= one.high <= 1
    assert one.high - one.low <= line.interval(low, off + 0.1).high - line.interval(low, off + 0.1).low + 1e-3


def test_a_line_through_points_on_a_line_is_that_line() -> None:
    line = fit([(0.5, 0.4), (0.7, 0.5), (0.9, 0.6), (1.0, 0.65)])
    assert (line.intercept, line.slope) == pytest.approx((0.15, 0.5))
    assert line.error == pytest.approx(0, abs=1e-9)


def test_what_a_language_left_out_would_be_off_is_the_error() -> None:
    found = {"a": (1.0, 0.75), "b": (0.9, 0.55), "c": (0.9, 0.70), "d": (0.8, 0.60), "e": (0.6, 0.35)}
    line = agreement_line(found)
    assert line is not None
    for (tag, (x, y)), off in zip(found.items(), line.left_out, strict=True):
        rest = agreement_line({other: point for other, point in found.items() if other != tag})
        assert rest is not None
        assert off == pytest.approx(y - rest.at(x))
    assert line.error >= math.sqrt(sum(off**2 for off in line.left_out) / len(found)) - 1e-12


def test_guesses_score_as_guesses() -> None:
    line = agreement_line({"en": (1.0, 0.7), "de": (0.9, 0.63), "ar": (0.8, 0.56), "fr": (0.85, 0.595)})
    assert line is not None
    assert line.at(CHANCE) == pytest.approx(CHANCE, abs=0.1)


@settings(deadline=None)
@given(shares, st.booleans())
def test_never_seen_is_below_the_worst(worst: float, readable: bool) -> None:
    found = never_seen(worst, readable)
    assert found < worst or worst == 0
    assert found <= never_seen(worst, readable=True)


def test_relatives_count_more_the_more_there_are() -> None:
    known = {
        "a": Known(100, "other", 0.8),
        "b": Known(1000, "other", 0.8),
        "c": Known(10_000, "other", 0.8),
        "d": Known(500, "near", 0.6),
        "e": Known(2000, "near", 0.6),
        "f": Known(700, "nearer", 0.6),
    }
    expected = ExpectedAgreement(known)
    assert expected.of(1000, "near") < expected.of(1000, "nearer") < expected.of(1000, "nobody")
    assert 0 < expected.error < 0.2


def test_few_languages_give_no_expectation() -> None:
    with pytest.raises(ValueError, match="too few"):
        ExpectedAgreement({"a": Known(1, "x", 0.5)})
