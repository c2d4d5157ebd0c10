"""Whether a process that runs gets on: what its pages said, over time. Pure: looks in, a verdict out."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

SILENT: Final = "silent"
START: Final = "start"


@dataclass(frozen=True)
class WedgePolicy:
    """When a process that runs counts as wedged, so that it is ended and started again.

    Being away of a service is no reason: a worker that waits for Kafka or ClickHouse would wait all the same after a
    restart. So only illnesses for which no service can be to blame count (``own_age_s`` of a worker's /health).
    """

    every_s: float = 2.0
    """Between two looks at its page."""
    answer_s: float = 3.0
    """How long a page may take: a thread of its own serves it, so only a process that is stopped, or that holds the
    interpreter's lock in native code, takes longer."""
    looks: int = 3
    """So many looks in a row have to agree. When `up` itself was stopped for a while (SIGSTOP, a debugger), clocks jump
    and one look proves nothing."""
    named_s: float = 6.0
    """From when on it is named: two looks, and below every time after which it is ended."""
    silent_s: float = 12.0
    """Without an answer. Above the session timeout (10 s): by then the group has given its partitions to others, so
    that nothing is interrupted that is still its work."""
    named_at_start_s: float = 24.0
    """The same until the first answer, and between answers while it starts: rarely so long, so worth a word."""
    first_page_s: float = 60.0
    """Until the first answer of all (Python imports for 2 s, on a machine that is busy ten times as long), and between
    answers while it starts: native code that loads a model may hold the interpreter's lock."""
    patience_s: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType(
            {
                # Above the session timeout, as above.
                "event_loop": 16.0,
                # A look at offsets takes microseconds, or hangs.
                "monitor": 30.0,
                # Above the time that a rebalance may wait for its slowest member (Faust: 60 s).
                "consumer_group": 90.0,
                # The longest batch: 256 texts of full length, 0.2 s each on a machine that is far too slow.
                "stalled": 60.0,
                # Loading a model: 180 s for the very first start, which unpacks it, on a busy machine.
                START: 300.0,
            }
        )
    )
    other_s: float = 60.0
    """For an illness that is not in the list: a worker may be of a newer version than `up`."""
    longest_s: float = 900.0
    """Each time that it is ended in a row, patience doubles up to this: what a machine is too slow for must get done
    at last, instead of being begun again and again."""
    well_after_s: float = 60.0
    """After so long without an illness patience is as at the start."""
    grace_s: float = 3.0
    """From SIGTERM to SIGKILL. A worker that can still act commits and ends within 1 s."""


@dataclass(frozen=True)
class Look:
    """One look at a process's page: begun at ``at``; ``health`` is what /health said, None without an answer."""

    at: float
    health: Mapping[str, Any] | None
    error: str = ""


@dataclass(frozen=True)
class Finding:
    """What is wrong: ``what`` for metrics, ``says`` for people, and whether the process has to be ended for it."""

    what: str
    says: str
    wedged: bool


class Watchdog:
    """The verdict on one process. ``started`` at each start, ``take`` each look, then ``finding``."""

    def __init__(self, policy: WedgePolicy | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.policy = policy or WedgePolicy()
        self._clock = clock
        self._ended_in_a_row = 0
        self.started()

    def started(self) -> None:
        """The process was started, for the first time or again."""
        self._started_at = self._clock()
        self._answered = self._settled = False
        self._silent_since: float | None = None
        self._silent_looks = 0
        self._error = ""
        self._ill: dict[str, tuple[int, float, str]] = {}
        """What -> (looks in a row, own age, words)."""
        self._well_since: float | None = None

    def ended(self) -> None:
        """It was ended because of a finding: the next one is given more time."""
        self._ended_in_a_row += 1

    def take(self, look: Look) -> None:
        """Take note of a look; one that began before the last start says nothing."""
        if look.at < self._started_at:
            return
        if look.health is None:
            self._silent_looks += 1
            self._silent_since = look.at if self._silent_since is None else self._silent_since
            self._error = look.error
            self._well_since = None
            return
        self._answered = True
        self._silent_since, self._silent_looks = None, 0
        before, self._ill = self._ill, {}
        found = _illnesses(look.health)
        self._settled = not any(what == START for what, _, _ in found)
        for what, age, says in found:
            if what != START or age >= self._patience(START):
                self._ill[what] = (before.get(what, (0, 0.0, ""))[0] + 1, age, says)
        if self._ill or not self._settled:
            self._well_since = None
        elif self._well_since is None:
            self._well_since = look.at
        elif look.at - self._well_since >= self.policy.well_after_s:
            self._ended_in_a_row = 0

    def finding(self) -> Finding | None:
        """What is wrong now, the worst first; None while it gets on, or is ill because of a service."""
        policy, now = self.policy, self._clock()
        if self._silent_since is not None:
            since = self._silent_since if self._answered else self._started_at
            named, limit = (
                (policy.named_s, policy.silent_s) if self._settled else (policy.named_at_start_s, policy.first_page_s)
            )
            silent = now - since
            if silent >= named and self._silent_looks >= 2:
                says = f"its pages do not answer for {silent:.0f} s ({self._error})"
                over = silent >= self._longer(limit) and self._silent_looks >= policy.looks
                return Finding(SILENT, says, over)
            return None
        worst: Finding | None = None
        for what, (looks, age, says) in self._ill.items():
            over = looks >= policy.looks and age >= self._patience(what)
            if age >= policy.named_s and (worst is None or (over and not worst.wedged)):
                worst = Finding(what, says, over)
        return worst

    def _patience(self, what: str) -> float:
        return self._longer(self.policy.patience_s.get(what, self.policy.other_s))

    def _longer(self, seconds: float) -> float:
        return max(seconds, min(self.policy.longest_s, seconds * 2.0 ** min(self._ended_in_a_row, 30)))


def _illnesses(health: Mapping[str, Any]) -> list[tuple[str, float, str]]:
    """What a page says is wrong with the process itself; a page without the list (the dashboard's) says nothing."""
    found = []
    for one in health.get("illnesses") or ():
        try:
            found.append((str(one["what"]), float(one["own_age_s"]), str(one["says"])[:300]))
        except (KeyError, TypeError, ValueError):
            continue
    return found
