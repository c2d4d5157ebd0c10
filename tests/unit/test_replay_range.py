"""What --from and --to of a replay mean, and what cannot be meant."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.cli.replay_range import Span
from pipeline.errors import InputError
from pipeline.replay_state import Part, parts_between

NOW = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)
BEGINS, ENDS = {0: 5, 1: 0}, {0: 333, 1: 300}


def parts(begin: str, end: str = "") -> tuple[Part, ...]:
    """A log with a record each second, the last one now; ``at`` as the broker answers."""

    def at(moment_ms: int) -> dict[int, int]:
        ago_s = int((NOW - datetime.fromtimestamp(moment_ms / 1000, UTC)).total_seconds())
        return {p: min(max(BEGINS[p], ENDS[p] - ago_s), ENDS[p]) for p in ENDS}

    return Span.parse(begin, end, NOW).parts("mentions", BEGINS, ENDS, at)


def test_it_cuts_to_what_is_there() -> None:
    begins, ends = {0: 5, 1: 0, 2: 0}, {0: 20, 1: 10, 2: 0}
    found = parts_between(begins, ends, {0: 0, 1: 4, 2: 0}, {0: 99, 1: 8, 2: 9})
    assert found == (Part(0, 5, 20), Part(1, 4, 8))
    assert parts_between(begins, ends, {0: 20, 1: 10, 2: 0}, ends) == ()


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("0", "", (Part(0, 5, 333), Part(1, 0, 300))),
        ("320", "", (Part(0, 320, 333),)),
        ("20s", "", (Part(0, 313, 333), Part(1, 280, 300))),
        ("20s", "10s", (Part(0, 313, 323), Part(1, 280, 290))),
        ("2026-11-27T19:59:50", "", (Part(0, 323, 333), Part(1, 290, 300))),
        ("300", "5s", (Part(0, 300, 328),)),
        ("0", "9999", (Part(0, 5, 333), Part(1, 0, 300))),
        ("0", "12345678", (Part(0, 5, 333), Part(1, 0, 300))),  # no date: the 56th of a month
    ],
)
def test_times_and_offsets(begin: str, end: str, expected: tuple[Part, ...]) -> None:
    assert parts(begin, end) == expected


@pytest.mark.parametrize("begin", ["1960-01-01", "100w", "0001-01-01", "1w"])
def test_what_is_older_than_the_log_begins_with_it(begin: str) -> None:
    assert parts(begin) == (Part(0, 5, 333), Part(1, 0, 300))


@pytest.mark.parametrize(
    ("begin", "end"),
    [("5m", "10m"), ("5m", "5m"), ("7", "3"), ("2026-11-27", "2026-11-26"), ("5m", "2026-11-27"), ("330", "200s")],
)
def test_a_range_that_runs_backwards_is_refused(begin: str, end: str) -> None:
    with pytest.raises(InputError, match=f"--from {begin} .* is not before --to {end} "):
        parts(begin, end)


def test_a_date_that_was_taken_for_an_offset_is_refused_and_says_how_dates_are_written() -> None:
    with pytest.raises(InputError, match=r"--from 20261127 is taken for an offset, .*ends at 333.*2026-11-27"):
        parts("20261127")
    with pytest.raises(InputError, match="--to 20261127 is taken for an offset"):
        parts("0", "20261127")
    assert parts("333") == (), "where the log ends there may be something in a moment"


@pytest.mark.parametrize("text", ["soon", "-5", "9999-12-31T23:00-05:00", "0001-01-01T00:00+05:00"])
def test_what_is_neither(text: str) -> None:
    with pytest.raises(InputError, match="--from"):
        parts(text)


@pytest.mark.parametrize(
    ("begin", "end", "relative"),
    [("20s", "", True), ("0", "5m", True), ("0", "", False), ("2026-11-27", "2026-11-28", False), ("3000w", "", True)],
)
def test_what_counts_from_now_is_told_apart(begin: str, end: str, relative: bool) -> None:
    assert Span.parse(begin, end, NOW).relative == relative


def test_it_is_told_in_absolute_words() -> None:
    span = Span.parse("20s", "7", NOW)
    assert (str(span.begin), str(span.end)) == ("2026-11-27 19:59:40+00:00", "offset 7")
    assert str(Span.parse("2026-11-27T08:00+02:00", "", NOW + timedelta(days=1)).begin) == "2026-11-27 06:00:00+00:00"
