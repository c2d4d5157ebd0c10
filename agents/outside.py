"""What a worker waits for that is not its own: an answer of Kafka or ClickHouse, or the next attempt after an error.

Whoever supervises the worker must not start it again for that: it would wait all the same. The probes do not tell,
because a service can answer small questions and still take, or refuse, no batch (too many parts, read-only, disk full).
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Wait:
    """One thing that is waited for, until ``until`` at most: after that it is the worker that hangs."""

    what: str
    until: float


class Outside:
    """The waits of one worker. Stages write it from the event loop, the monitor reads it from its thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._waits: list[Wait] = []
        self._last = 0.0

    @contextmanager
    def waits(self, what: str, at_most_s: float) -> Iterator[None]:
        """The block waits for ``what``, which gives an answer or an error within ``at_most_s``."""
        wait = Wait(what, self._clock() + at_most_s)
        with self._lock:
            self._waits.append(wait)
        try:
            yield
        finally:
            with self._lock:
                self._waits.remove(wait)
                self._last = max(self._last, min(wait.until, self._clock()))

    def last(self) -> float:
        """When the worker last waited for something outside (now, while it does); 0 when it never did."""
        now = self._clock()
        with self._lock:
            return max([self._last, *(min(wait.until, now) for wait in self._waits)])

    def what(self) -> str:
        """What it waits for now, in words; empty when for nothing."""
        now = self._clock()
        with self._lock:
            return "; ".join(dict.fromkeys(wait.what for wait in self._waits if wait.until >= now))
