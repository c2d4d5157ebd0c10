"""Starts faults when their point of the stream has come, and ends each when its time is over."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.chaos.faults import FAULTS
from tests.chaos.schedule import Planned
from tests.chaos.world import World

AT_ONCE: Final = 2
"""So many faults at a time; more, and there is little traffic left to harm."""
_TRIES: Final = 5


@dataclass
class Happened:
    """A fault that was run. Times in seconds since the first message."""

    planned: Planned
    began: float
    detail: str
    ended: float = 0.0
    error: str = ""


class Director:
    """Runs a plan against a world. ``due`` is called with the number of messages sent so far."""

    def __init__(self, world: World, plan: Sequence[Planned], say: Callable[[str], object]) -> None:
        self.happened: list[Happened] = []
        self.ended_by_itself: list[str] = []
        """Services that ended without a fault of ours."""
        self._world = world
        self._waiting = deque(plan)
        self._say = say
        self._begin = time.monotonic()
        self._slots = threading.Semaphore(AT_ONCE)
        self._held: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._threads: list[threading.Thread] = []

    @property
    def left(self) -> int:
        """Faults that have not begun."""
        return len(self._waiting)

    def due(self, sent: int) -> None:
        """Start every fault whose point has come; waits until there is room for it."""
        while self._waiting and self._waiting[0].at <= sent:
            planned = self._waiting.popleft()
            self._slots.acquire()
            thread = threading.Thread(target=self._run, args=(planned,), name=planned.fault, daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        """Return when every fault has ended."""
        for thread in self._threads:
            thread.join()

    def mend(self) -> None:
        """Start ClickHouse again if it ended by itself, as the product's supervisor does."""
        if self._world.clickhouse.child.running or not self._held["clickhouse"].acquire(blocking=False):
            return
        try:
            child = self._world.clickhouse.child
            if not child.running:
                self.ended_by_itself.append(f"ClickHouse ({child.how_it_ended()}): {child.last_words()[-300:]}")
                self._say(self.ended_by_itself[-1])
                self._world.clickhouse.start()
        finally:
            self._held["clickhouse"].release()

    def _run(self, planned: Planned) -> None:
        fault = FAULTS[planned.fault]
        try:
            with self._held[fault.holds(planned.target)]:
                # Somewhere in the second after the burst: right after it nobody has anything in hand yet.
                time.sleep(planned.seed % 1_000 / 1_000)
                happened = Happened(planned, self._now(), "")
                self.happened.append(happened)
                try:
                    happened.detail = fault.start(self._world, planned)
                    self._say(f"fault {planned.fault} on {planned.target} for {planned.seconds} s {happened.detail}")
                    time.sleep(planned.seconds)
                except Exception as error:
                    happened.error = f"start: {error!r}"
                self._end(happened)
                happened.ended = self._now()
        finally:
            self._slots.release()

    def _end(self, happened: Happened) -> None:
        for attempt in range(_TRIES):
            try:
                more = FAULTS[happened.planned.fault].end(self._world, happened.planned)
                happened.detail = f"{happened.detail} {more or ''}".strip()
                return
            except Exception as error:
                self._say(f"{happened.planned.fault} could not be ended: {error!r}")
                if attempt == _TRIES - 1:
                    happened.error = f"end: {error!r}"
                time.sleep(1)

    def _now(self) -> float:
        return round(time.monotonic() - self._begin, 1)
