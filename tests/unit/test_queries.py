"""The span that a view covers: every panel of it must cover the same one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.store.queries import MAX_SLOTS, Counts, Pair, View, period

windows = st.sampled_from([60, 240, 900, 3600, 7200, 18_000, 18_001, 86_400, 604_800, 2_592_000, 31_622_400])
moments = st.floats(min_value=1.6e9, max_value=2.0e9, allow_nan=False)


@given(windows, moments, st.booleans(), st.sampled_from(["", "pt"]))
def test_a_period_covers_the_window_and_little_more(
    window: int, now: float, split_language: bool, language: str
) -> None:
    view = View(window_s=window, language=language)
    span = period(view, now, split_language=split_language)
    grain = 10 if span.short else 3600
    assert span.start <= now - window < span.start + max(grain, span.step)
    assert now < span.end <= now + grain
    assert span.start % grain == span.end % grain == 0
    assert span.start % span.step == 0, "bars must not hang over the edge"
    assert (span.end - span.start) / span.step <= MAX_SLOTS + 24
    assert span.span % grain == 0
    assert span.span <= window


@given(st.sampled_from([900, 3600, 86_400, 604_800]), moments)
def test_panels_by_language_cover_the_same_span_as_the_others(window: int, now: float) -> None:
    total = period(View(window_s=window), now)
    split = period(View(window_s=window), now, split_language=True)
    assert (total.start, total.end) == (split.start, split.end)


@pytest.mark.parametrize(
    ("window", "language", "step"),
    [(240, "", 10), (900, "", 10), (3600, "", 20), (86_400, "", 600), (86_400, "pt", 3600), (604_800, "", 3600)],
)
def test_steps(window: int, language: str, step: int) -> None:
    assert period(View(window_s=window, language=language), 1.795e9).step == step


def test_short_windows_fit_twice_into_what_rollup_recent_keeps() -> None:
    span = period(View(window_s=5 * 3600), 1.795e9)
    assert span.short
    assert 1.795e9 - (span.start - span.span) < 12 * 3600 - 3600, "a whole part may go an hour early"


def test_counts_add_up() -> None:
    one, two = Counts(3, 1, 1, 1, 2000, 2500, 10), Counts(1, 0, 0, 1, 900, 800, 0)
    assert sum([Pair(one, two), Pair(two, one)], Pair()) == Pair(one + two, one + two)
    assert one + two == Counts(4, 1, 1, 2, 2900, 3300, 10)
