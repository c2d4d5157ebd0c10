"""Knowing that everything below an offset of ``mentions`` has gone through all stages, without stopping them.

What the first stage has committed, it has produced before. So: take what it has committed, then the end of what it
produces into; once the next stage has committed up to there, take the end of *its* topic, and so on. When the last one
is passed, everything that the first had committed at the beginning has ended, or is lost. (The idea is that of a marker
that flows behind the messages: Chandy and Lamport 1985; here the marker is a set of offsets.)
"""

from collections.abc import Mapping
from typing import Final

from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.topics import DEAD, DETECTED, GROUPS, MENTIONS, SCORED

_FIRST: Final = "language"
_STEPS: Final = (("sentiment", DETECTED), ("sink", SCORED), ("sink", DEAD))
"""In this order: when a stage has committed its input, its dead letters are in their topic as well."""

Offsets = Mapping[tuple[str, int], int]


class Barrier:
    """One look. Ask ``passed`` until it says so; then every offset below ``watermark`` should have ended.

    Raises BrokerUnavailable from every method.
    """

    def __init__(self, reader: OffsetReader, at_least: Mapping[int, int] | None = None) -> None:
        """``at_least``: partition -> offset that the watermark has to reach first; the first stage is waited for."""
        self._reader = reader
        self.log_end = _by_partition(reader.ends([MENTIONS]), MENTIONS)
        """Partition -> next offset to be written."""
        self.watermark: dict[int, int] = {}
        """Partition -> offset; those of which nothing was committed are left out."""
        self._steps = ((_FIRST, MENTIONS), *_STEPS)
        self._step = 0
        self._target: Offsets = {(MENTIONS, partition): offset for partition, offset in (at_least or {}).items()}
        self._behind = 0

    def passed(self) -> bool:
        """Look once. True when everything below the watermark has gone through the last stage."""
        while self._step < len(self._steps):
            role, topic = self._steps[self._step]
            committed = self._reader.committed(GROUPS[role], [topic])
            self._behind = sum(max(0, end - committed.get(key, 0)) for key, end in self._target.items())
            if self._behind:
                return False
            if self._step == 0:
                self.watermark = _by_partition(committed, MENTIONS)
            self._step += 1
            if self._step < len(self._steps):
                self._target = self._reader.ends([self._steps[self._step][1]])
        return True

    @property
    def waits_for(self) -> str:
        """What is not through, in words; empty when all is."""
        if self._step == len(self._steps):
            return ""
        role, topic = self._steps[self._step]
        return f"{role} has {self._behind:,} messages of {topic} before it"


def _by_partition(offsets: Offsets, topic: str) -> dict[int, int]:
    return {partition: offset for (name, partition), offset in offsets.items() if name == topic}
