"""Offsets that no stage will ever acknowledge, because no record is there: transactions' markers, what was aborted.

Faust commits what was acknowledged, so a log that ends with such offsets keeps a lag for ever: whoever waits for all
that was sent waits in vain. What aiokafka has read past is committed as well, once all that it handed out before is.
"""

from collections.abc import Mapping
from typing import Any

Partition = tuple[str, int]
"""Topic and number: Faust's and aiokafka's own types are tuples of these, and equal."""


class HandedOut:
    """The last offset of each partition that left aiokafka's fetcher, by assignment.

    Used in the consumer's thread only: between what the fetcher gives out and the note of it nothing else runs.
    """

    def __init__(self) -> None:
        self._assignment: object = None
        self._last: dict[Partition, int] = {}

    def note(self, assignment: object, drained: Mapping[Any, Any]) -> None:
        """Partition -> records were given out under ``assignment``."""
        if assignment is not self._assignment:
            self._assignment, self._last = assignment, {}
        self._last |= {tp: records[-1].offset for tp, records in drained.items() if records}

    def passed(
        self, assignment: object, positions: Mapping[Partition, int], committed: Mapping[Partition, int | None]
    ) -> dict[Partition, int]:
        """Partition -> offset that may be committed: all before it is committed, or no record.

        ``positions``: the next offsets to be read; ``committed``: what the group has committed.
        """
        last = self._last if assignment is self._assignment else {}
        found = {}
        for partition, position in positions.items():
            done = committed.get(partition) or 0
            if position > done and last.get(partition, -1) < done:
                found[partition] = position
        return found
