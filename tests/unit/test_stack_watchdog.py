"""When a process that runs counts as wedged, and ends as a crash loop: on a clock that can be set."""

from typing import Any

import pytest

from pipeline.embedded.restarts import CrashLoopPolicy, Ends
from pipeline.embedded.watchdog import Finding, Look, Watchdog, WedgePolicy


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Process:
    """A process that is looked at every two seconds."""

    def __init__(self, policy: WedgePolicy | None = None) -> None:
        self.clock = Clock()
        self.dog = Watchdog(policy, self.clock)

    def after(self, seconds: float, *illnesses: dict[str, Any], silent: bool = False) -> Finding | None:
        """Let time pass; ``illnesses`` are what its page says, their own age grows from now on."""
        until = self.clock.now + seconds
        began = self.clock.now
        while self.clock.now < until:
            self.clock.now += 2.0
            ill = [one | {"own_age_s": one["own_age_s"] + self.clock.now - began} for one in illnesses]
            self.dog.take(Look(self.clock.now, None if silent else {"illnesses": ill}, "timed out" if silent else ""))
        return self.dog.finding()


def ill(what: str, own_age_s: float = 0.0) -> dict[str, Any]:
    return {"what": what, "says": f"{what} it is", "own_age_s": own_age_s}


def test_a_process_that_is_well() -> None:
    assert Process().after(1000) is None


def test_a_silent_process_is_named_at_once_and_ended_after_a_session_timeout() -> None:
    process = Process()
    process.after(10)
    found = process.after(8, silent=True)
    assert found is not None
    assert (found.what, found.wedged) == ("silent", False)
    assert found.says == "its pages do not answer for 6 s (timed out)"
    found = process.after(6, silent=True)
    assert found is not None
    assert found.wedged
    assert process.after(2) is None, "it answers again"


def test_one_look_proves_nothing_when_the_supervisor_itself_was_stopped() -> None:
    """The clock jumps while nobody looks; the look under way then fails, and the next ones do not."""
    process = Process()
    process.after(10)
    process.dog.take(Look(process.clock.now, None, "timed out"))
    process.clock.now += 600
    assert process.dog.finding() is None
    assert process.after(2) is None


def test_a_worker_that_was_stopped_and_goes_on_is_not_ended() -> None:
    """Its first answer says that its loop stood still for a minute; the next one does not."""
    process = Process()
    process.after(10)
    assert not process.after(2, ill("event_loop", 60)).wedged  # type: ignore[union-attr]
    assert process.after(2) is None


@pytest.mark.parametrize(
    ("what", "patience"), [("event_loop", 16), ("monitor", 30), ("consumer_group", 90), ("stalled", 60), ("new", 60)]
)
def test_an_illness_of_its_own_is_named_and_has_its_time(what: str, patience: float) -> None:
    process = Process()
    process.after(10)
    found = process.after(8, ill(what))
    assert found == Finding(what, f"{what} it is", wedged=False)
    found = process.after(patience, ill(what, 8))
    assert found is not None
    assert found.wedged


def test_what_a_service_is_to_blame_for_is_not_ended_and_not_named() -> None:
    process = Process()
    process.after(10)
    for _ in range(500):
        assert process.after(2, ill("stalled", -2)) is None, "its own age stays 0"


def test_starting_has_its_time() -> None:
    process = Process()
    assert process.after(22, silent=True) is None, "imports"
    found = process.after(28, silent=True)
    assert found is not None, "named within 30 s"
    assert (found.what, found.wedged) == ("silent", False), "and left alone"
    assert process.after(240, ill("start", 50)) is None, "the model"
    found = process.after(20, ill("start", 290))
    assert found is not None
    assert found.wedged


def test_silence_while_it_starts_has_more_time() -> None:
    """Native code that loads a model may hold the interpreter's lock."""
    process = Process()
    assert process.after(10, ill("start")) is None
    assert process.after(24, silent=True) is None
    found = process.after(26, silent=True)
    assert found is not None
    assert not found.wedged
    assert process.after(10, ill("start", 60)) is None
    found = process.after(64, silent=True)
    assert found is not None
    assert found.wedged


def test_a_process_that_never_answers_is_ended_as_well() -> None:
    process = Process()
    found = process.after(62, silent=True)
    assert found is not None
    assert found.wedged


def test_a_machine_that_is_too_slow_gets_more_time_each_time() -> None:
    """What takes 100 s is ended after 60 s, and then has 120 s: it is not begun again for ever."""
    process = Process()
    process.after(10)
    found = process.after(70, ill("stalled"))
    assert found is not None
    assert found.wedged
    process.dog.ended()
    process.clock.now += 10
    process.dog.started()
    process.after(10)
    found = process.after(100, ill("stalled"))
    assert found is not None
    assert not found.wedged, "named all the same"
    process.after(70)
    found = process.after(70, ill("stalled"))
    assert found is not None
    assert found.wedged, "after a minute of being well patience is as at the start"


def test_a_look_at_the_process_before_says_nothing() -> None:
    process = Process()
    process.after(10)
    late = Look(process.clock.now, None, "timed out")
    process.clock.now += 5
    process.dog.started()
    for _ in range(5):
        process.dog.take(late)
    assert process.dog.finding() is None


def test_pages_that_say_nothing_usable_are_no_illness() -> None:
    process = Process()
    for health in ({}, {"illnesses": None}, {"illnesses": [{"what": "x"}]}, {"illnesses": ["x"]}, {"status": "ok"}):
        process.clock.now += 2
        process.dog.take(Look(process.clock.now, health))
    assert process.dog.finding() is None


def test_three_ends_close_together_are_a_crash_loop_until_they_are_long_ago() -> None:
    clock = Clock()
    ends = Ends(CrashLoopPolicy(ends=3, within_s=300), clock)

    def looping() -> bool:
        return ends.crash_looping

    for _ in range(2):
        ends.ended()
        clock.now += 10
    assert not looping()
    ends.ended()
    assert looping()
    clock.now += 279
    assert looping()
    clock.now += 2
    assert not looping(), "the first of them is more than five minutes ago"
    ends.ended()
    assert looping(), "and with the next end they do again"
