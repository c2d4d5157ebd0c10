"""Looks once more at what the ledger has proved: an entry that was there may be gone."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import Gap
from pipeline.store.ledger import MOST_GAPS, SLICE, LedgerStore

EVERY_S: Final = 3600.0
BUDGET_S: Final = 2.0
"""In one look, of which there is one every 15 s. 512 million offsets take about 11 s (docs/reconcile.md), that is six
looks; however large the ledger is, no look is late for it, and it takes an eighth of a core of ClickHouse's."""


class Sweep:
    """Goes through everything from the ledger's begin on, at start and every EVERY_S, in parts.

    ClickHouse restored from an older backup, a part that was lost or dropped: nothing says so but the entries that are
    missing, and whoever looks only at what is new never comes by there. One thread at a time.
    """

    def __init__(self, store: LedgerStore, incarnation: str, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock``: seconds."""
        self._store = store
        self._incarnation = incarnation
        self._clock = clock
        self._began_at: float | None = None
        self._left: dict[int, int] = {}
        """Partition -> offset from which on the sweep under way has not looked yet."""

    def part(self, begins: Mapping[int, int], seen: Mapping[int, int]) -> dict[int, list[Gap]]:
        """What is missing in the next part of a sweep, by partition; nothing while none is due.

        ``begins``, ``seen``: partition -> first offset to look at, and the one after the last. Ends after BUDGET_S and
        one question more. Raises what the store raises; the sweep begins anew then.
        """
        now = self._clock()
        if not self._left:
            if self._began_at is not None and now - self._began_at < EVERY_S:
                return {}
            self._began_at = now
            self._left = {partition: begins.get(partition, 0) for partition in seen}
        found: dict[int, list[Gap]] = {}
        try:
            for partition in sorted(self._left):
                while (start := self._left[partition]) < seen.get(partition, 0):
                    if self._clock() - now > BUDGET_S:
                        return found
                    end = min(start + SLICE, seen[partition])
                    gaps = self._store.gaps(self._incarnation, MENTIONS, partition, start, end)
                    found.setdefault(partition, []).extend(gaps)
                    # An answer that is full may have left some out: they are found from its end on.
                    self._left[partition] = gaps[-1].end if len(gaps) >= MOST_GAPS else end
                del self._left[partition]
        except BaseException:
            # What was found is not told to anybody.
            self._began_at, self._left = None, {}
            raise
        return found
