"""How fast old messages go in: at most at a rate, and never so that live ones queue up behind them.

For everything that sends many old messages through the live topics (backfill, replay). Kafka has no priorities: what is
sent is worked off in its order. So the only way to be below live traffic is to send little at a time, and nothing while
messages wait.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.errors import BrokerUnavailable
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.topics import DETECTED, MENTIONS, SCORED
from pipeline.metrics import PACE_SECONDS, RETRIES

if TYPE_CHECKING:
    from pipeline.sources.ingest import Outlet

PATH: Final = (("language", MENTIONS), ("sentiment", DETECTED), ("sink", SCORED))
"""Role and topic of every queue that a mention stands in."""


@dataclass(frozen=True)
class PacePolicy:
    """Bounds of a :class:`Pace`."""

    rate_per_s: float = 0.0
    """Messages per second; 0: as fast as the pipeline takes them."""
    max_waiting: int = 1000
    """Messages in all queues of the pipeline, ours included, beyond which nothing is sent. A live mention waits behind
    so many at most. Offsets are committed twice a second, so less than half a second's work slows everything down."""
    look_every_s: float = 1.0
    """Age of a look at the queues after which it counts no more."""
    burst_s: float = 0.1
    """How much of the rate may come at once: a sleep is not exact. After a pause nothing is caught up."""
    stalled_s: float = 30.0
    """Paused for so long without a single message done: somebody is told, again after as long."""
    patience_s: float = 60.0
    """How long the queues may be out of sight (nothing is sent meanwhile) until that is an error."""


class Pace:
    """Call :meth:`wait` before each message: it returns when that one may go.

    ``waiting`` returns how many messages wait in the pipeline, or raises BrokerUnavailable; None: only the rate holds.
    ``sleep`` may raise (KeyboardInterrupt): nothing is lost, the message was not sent. ``stalled(waiting, seconds)`` is
    called while nothing moves. Not safe to share between threads.
    """

    def __init__(
        self,
        policy: PacePolicy,
        waiting: Callable[[], int] | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        stalled: Callable[[int, float], None] = lambda waiting, seconds: None,
    ) -> None:
        self._policy, self._waiting = policy, waiting
        self._clock, self._sleep, self._stalled = clock, sleep, stalled
        self._due = clock()
        self._room = 0
        self._looked_at = float("-inf")
        self.paused_s = 0.0
        """Seconds in which live messages, or a broker that did not answer, held this up."""

    def wait(self, messages: int = 1) -> None:
        """Return when ``messages`` more may be sent.

        Raises BrokerUnavailable when the queues were out of sight for ``patience_s``, and whatever ``sleep`` raises.
        """
        self._keep_rate(messages)
        if self._waiting is None:
            return
        if self._room < messages or self._clock() - self._looked_at > self._policy.look_every_s:
            self._make_room(messages)
        self._room -= messages

    def _keep_rate(self, messages: int) -> None:
        if not self._policy.rate_per_s:
            return
        now = self._clock()
        self._due = max(self._due, now - self._policy.burst_s)
        if self._due > now:
            self._sleep(self._due - now)
            PACE_SECONDS.labels("rate").inc(self._clock() - now)
        self._due += messages / self._policy.rate_per_s

    def _make_room(self, messages: int) -> None:
        """Look at the queues until there is room. Between two looks only what the last one left room for is sent."""
        wanted = min(messages, self._policy.max_waiting)
        began = told_at = moved_at = self._clock()
        fewest: int | None = None
        while True:
            waiting = self._look()
            self._looked_at = self._clock()
            self._room = self._policy.max_waiting - waiting
            if self._room >= wanted:
                break
            now = self._looked_at
            if fewest is None or waiting < fewest:
                fewest, moved_at = waiting, now
            if now - max(moved_at, told_at) >= self._policy.stalled_s:
                told_at = now
                self._stalled(waiting, now - moved_at)
            self._sleep(self._policy.look_every_s / 4)
            PACE_SECONDS.labels("live").inc(self._clock() - now)
        self.paused_s += self._clock() - began

    def _look(self) -> int:
        assert self._waiting is not None  # noqa: S101 - narrows the type
        began = self._clock()
        delay = 0.25
        while True:
            try:
                return self._waiting()
            except BrokerUnavailable:
                # Without sight of the queues nothing may be sent: live mentions might be waiting.
                now = self._clock()
                if now - began >= self._policy.patience_s:
                    raise
                RETRIES.labels("pace", "lag").inc()
                self._sleep(delay)
                PACE_SECONDS.labels("unknown").inc(self._clock() - now)
                delay = min(delay * 2, 5.0)


class PacedOutlet:
    """An outlet of :class:`pipeline.sources.ingest.Ingest` at a pace: what is not sent costs nothing of it."""

    def __init__(self, outlet: "Outlet", pace: Pace) -> None:
        self._outlet, self._pace = outlet, pace

    def send(self, event: bytes, *, key: bytes | None = None) -> None:
        """Wait for the pace, then queue one message. What the wait raises is raised before anything is queued."""
        self._pace.wait()
        self._outlet.send(event, key=key)

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when all of them are confirmed, or raise BrokerUnavailable."""
        self._outlet.flush(timeout_s)


def waiting_messages(reader: OffsetReader) -> int:
    """Messages that wait for language, sentiment and sink together; each stands in one queue. Raises BrokerUnavailable.

    Not for the language worker alone: it is the fastest, and what is too much for the model queues up behind it.
    """
    return sum(partition.lag for role, topic in PATH for partition in reader.lag_of(role, topic))
