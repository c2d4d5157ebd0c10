"""When a worker counts as wedged."""

from typing import Any

import pytest

from pipeline.embedded.watchdog import Verdict, WatchdogPolicy

WELL: dict[str, Any] = {"healthy": True, "member": True, "problems": [], "dependencies": {"kafka": {"up": True}}}
STUCK = "mentions.scored/2: 170 messages wait and nothing was committed for 31 s"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def verdict(clock: Clock) -> Verdict:
    return Verdict(WatchdogPolicy(), clock)


def ill(problem: str, **more: Any) -> dict[str, Any]:
    return {**WELL, "healthy": False, "problems": [problem], **more}


def for_seconds(clock: Clock, verdict: Verdict, seconds: float, page: dict[str, Any] | None, pid: int = 1) -> str:
    """Hear the same every two seconds; the first reason that is given, or an empty text."""
    end = clock.now + seconds
    while clock.now < end:
        clock.now += 2
        if reason := verdict.hear(pid, page):
            return reason
    return ""


def test_a_frozen_worker_is_named_well_within_thirty_seconds(clock: Clock, verdict: Verdict) -> None:
    verdict.hear(1, WELL)
    began = clock.now
    assert "have not answered" in for_seconds(clock, verdict, 60, None)
    policy = WatchdogPolicy()
    assert clock.now - began + policy.answer_s + policy.every_s + policy.grace_s <= 30


def test_a_worker_that_starts_gets_its_time(clock: Clock, verdict: Verdict) -> None:
    assert for_seconds(clock, verdict, 300, None) == ""
    starting = ill("event loop: blocked for 90 s", member=False)
    assert for_seconds(clock, verdict, 300, starting) == ""
    verdict.hear(1, WELL)
    assert for_seconds(clock, verdict, 60, ill("event loop: blocked for 9 s")) == "event loop: blocked for 9 s"
    # started again: another process, which has its time again
    assert for_seconds(clock, verdict, 60, None, pid=2) == ""


@pytest.mark.parametrize(
    "problem", [STUCK, "consumer group: no member for 46 s", "monitor: no offsets read for 9 s (x)"]
)
def test_a_fault_of_its_own_that_lasts_is_named(clock: Clock, verdict: Verdict, problem: str) -> None:
    verdict.hear(1, WELL)
    assert for_seconds(clock, verdict, 14, ill(problem)) == ""
    verdict.hear(1, WELL)
    assert for_seconds(clock, verdict, 14, ill(problem)) == "", "it had been well in between"
    assert for_seconds(clock, verdict, 10, ill(problem)) == problem


@pytest.mark.parametrize(
    "outside",
    [
        {"dependencies": {"kafka": {"up": True}, "clickhouse": {"up": False}}},
        {"dependencies": {"kafka": {"up": False}}},
        {"retrying": True},
        {"problems": ["clickhouse: no answer for 11 s (timeout)"]},
    ],
)
def test_a_service_that_is_away_is_no_reason(clock: Clock, verdict: Verdict, outside: dict[str, Any]) -> None:
    verdict.hear(1, WELL)
    assert for_seconds(clock, verdict, 600, {**ill(STUCK), **outside}) == ""
