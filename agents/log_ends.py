"""The true ends of a worker's partitions while it does not read.

The stream client learns where a log ends from what it fetches, and while a stage waits (for ClickHouse, for a slow
model) it fetches nothing: the lag that it knows stands still while messages pile up, which is when somebody looks at
it. So when a committed offset does not move although messages wait, the ends are asked for by themselves.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from agents.progress import Partition, Position
from pipeline.errors import BrokerUnavailable
from pipeline.kafka.offsets import OffsetReader
from pipeline.metrics import RETRIES
from pipeline.settings import Settings

log = logging.getLogger(__name__)

EVERY_S: Final = 3.0
ANSWER_S: Final = 10.0


class LogEnds:
    """Call it for the positions of a worker, with ends that are true although it may not be reading."""

    def __init__(
        self,
        role: str,
        settings: Settings,
        positions: Callable[[], list[Position] | None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """``positions``: what the stream client knows; None while the worker is no member of its group."""
        self._role = role
        self._settings = settings
        self._positions = positions
        self._every_s = every_s
        self._ends: dict[Partition, int] = {}
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to watch."""
        threading.Thread(target=self._run, name="log-ends", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stop.set()

    def __call__(self) -> list[Position] | None:
        """The positions now; ``end`` is the greater of what was fetched and what was asked for."""
        found = self._positions()
        ends = self._ends
        if found is None or not ends:
            return found
        return [replace(p, end=_greater(p.end, ends.get((p.topic, p.partition)))) for p in found]

    def _run(self) -> None:
        before: dict[Partition, int | None] = {}
        while not self._stop.wait(self._every_s):
            try:
                found = self._positions() or []
            except Exception:
                # The stream client is starting or ending; the monitor's own look tells.
                log.debug("no positions", exc_info=True)
                continue
            waits = {
                (p.topic, p.partition): p.committed
                for p in found
                if (p.end or 0) > (p.committed if p.committed is not None else p.position or 0)
            }
            if any(key in before and before[key] == committed for key, committed in waits.items()):
                self._ask(sorted({topic for topic, _ in waits}))
            else:
                self._ends = {}
            before = waits

    def _ask(self, topics: list[str]) -> None:
        try:
            # A connection of its own for each question: it is asked only while something stands still.
            with OffsetReader(self._settings, timeout_s=ANSWER_S) as reader:
                self._ends = reader.ends(topics)
        except (BrokerUnavailable, OSError) as error:
            RETRIES.labels(self._role, "log_ends").inc()
            log.debug("ends of %s: %s", topics, error)


def _greater(known: int | None, asked: int | None) -> int | None:
    return known if asked is None else asked if known is None else max(known, asked)
