"""Finds offsets that were skipped between the broker and a stage; pure.

Faust lost single messages at rebalances when it was measured (offsets 1427 and 1429 of two runs, cause not proven), and
its commit logic treats an offset that it never delivered as done. So each stage watches the offsets it is given: what
is missing is read again by itself, before anything after it is acknowledged.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agents.incoming import Incoming

Partition = tuple[str, int]


@dataclass(frozen=True)
class Gap:
    """Offsets ``start`` to ``end`` (exclusive) of a partition were not delivered."""

    topic: str
    partition: int
    start: int
    end: int


class Continuity:
    """Next expected offset by partition, for one assignment at a time.

    ``committed`` tells the committed offset of a partition when it is first seen in an assignment; None means that
    nothing was committed, so reading begins at the start of the log (whose offset may be above 0: a gap there is
    looked up and found empty, once).
    """

    def __init__(self, committed: Callable[[Partition], int | None]) -> None:
        self._committed = committed
        self._next: dict[Partition, int] = {}
        self._assignment: object = None

    def gaps(self, batch: Sequence[Incoming], assignment: object) -> list[Gap]:
        """Take note of a batch, in order of delivery, and return what was skipped.

        ``assignment`` is any mark of the current one: with a new one every partition starts from its committed offset.
        Offsets below the expected one are redeliveries and no gap.
        """
        if assignment != self._assignment:
            self._assignment = assignment
            self._next.clear()
        found = []
        for message in batch:
            partition = (message.topic, message.partition)
            expected = self._next.get(partition)
            if expected is None:
                expected = self._committed(partition) or 0
            if message.offset > expected:
                found.append(Gap(message.topic, message.partition, expected, message.offset))
            self._next[partition] = max(expected, message.offset + 1)
        return found
