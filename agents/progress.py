"""Whether a worker gets on with its partitions: committed offsets against the end of the log, over time; pure."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Partition = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Position:
    """Offsets of one assigned partition. ``committed`` and ``end`` are the next offsets; None is not known yet.

    ``position`` is where reading stands; before the first commit it is what lag is measured from.
    """

    topic: str
    partition: int
    committed: int | None
    end: int | None
    position: int | None


@dataclass(frozen=True, slots=True)
class Progress:
    """One partition's state: ``lag`` in messages, ``age_s`` since its committed offset moved while messages waited.

    ``progress_age_s``: since it moved at all, or since this worker was given the partition.
    """

    topic: str
    partition: int
    committed: int | None
    end: int | None
    lag: int
    age_s: float
    progress_age_s: float


@dataclass
class _Seen:
    base: int
    moved_at: float
    progressed_at: float


class ProgressTracker:
    """Keeps, per partition, since when its committed offset stands still although messages wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Partition, _Seen] = {}

    def update(self, positions: Iterable[Position]) -> list[Progress]:
        """Take note of the assigned partitions and return their state; others are forgotten.

        A worker that was just given a partition gets the whole time again: the age says how long *this* worker has not
        moved it.
        """
        now = self._clock()
        seen: dict[Partition, _Seen] = {}
        states = []
        for p in positions:
            key = (p.topic, p.partition)
            known = self._seen.get(key)
            base = p.committed if p.committed is not None else known.base if known else (p.position or 0)
            lag = max(0, p.end - base) if p.end is not None else 0
            moved = known is None or base != known.base or lag == 0
            at = now if known is None or base != known.base else known.progressed_at
            it = seen[key] = _Seen(base, now if known is None or moved else known.moved_at, at)
            states.append(Progress(p.topic, p.partition, p.committed, p.end, lag, now - it.moved_at, now - at))
        self._seen = seen
        return states
