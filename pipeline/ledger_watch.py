"""Looks at the ledger again and again while the stream runs, each time only at what is new and at what was missing."""

import logging
from collections.abc import Callable
from typing import Final

from pipeline.kafka.barrier import Barrier
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import Bounds, Gap, Proof, prove
from pipeline.metrics import LEDGER_GAPS, LEDGER_UNPROVABLE, LEDGER_WATERMARK
from pipeline.reconcile import Reconciliation, ledger_begins, look
from pipeline.repair import settle
from pipeline.store.ledger import MOST_GAPS, LedgerStore

log = logging.getLogger(__name__)

SHOWN: Final = 5


class LedgerWatch:
    """What is known of each partition between two looks. One thread at a time."""

    def __init__(self, reader: OffsetReader, records: RangeReader, store: LedgerStore, incarnation: str) -> None:
        self._reader = reader
        self._records = records
        self._store = store
        self._incarnation = incarnation
        self._begins: dict[int, int] | None = None
        self._seen: dict[int, int] = {}
        """Partition -> offset up to which was looked; below it only ``_open`` is missing."""
        self._open: dict[int, list[Gap]] = {}
        self._told: set[Gap] = set()

    def look(self, pause: Callable[[], bool]) -> Reconciliation | None:
        """Look once; None when ``pause`` (called while a stage is behind) says that it is time to end.

        Sets the metrics, logs a new gap as an error, and keeps the result in ``ledger_marks``. Raises
        BrokerUnavailable, ClickHouseUnavailable, ClickHouseRefused.
        """
        barrier = Barrier(self._reader)
        while not barrier.passed():
            if not pause():
                return None
        if self._begins is None:
            self._begins = ledger_begins(self._store, self._incarnation, barrier)
            proven = {m.partition: m.proven for m in self._store.marks(self._incarnation) if m.topic == MENTIONS}
            self._seen = {p: max(begin, proven.get(p, 0)) for p, begin in self._begins.items()}
        newest = self._newest(barrier, self._begins)
        if newest.gaps and settle(self._reader, self._records, self._store, self._incarnation, newest.proofs):
            newest = self._newest(barrier, self._begins)
        proofs = tuple(self._with_open(proof) for proof in newest.proofs)
        found = Reconciliation(self._incarnation, proofs, self._begins)
        for proof in proofs:
            missing = [*proof.lost, *proof.gaps]
            # An answer that is full may have left some out: they are found from its end on.
            full = len(missing) >= MOST_GAPS
            self._seen[proof.partition] = missing[-1].end if full else proof.bounds.high
            self._open[proof.partition] = missing
        self._tell(found)
        self._store.mark(found.marks())
        return found

    def _newest(self, barrier: Barrier, begins: dict[int, int]) -> Reconciliation:
        return look(self._reader, self._store, self._incarnation, barrier, begins, self._seen, count=False)

    def _with_open(self, proof: Proof) -> Proof:
        """``proof`` of what is new, with what is still missing of what was missing before."""
        partition, bounds = proof.partition, proof.bounds
        before = [
            gap
            for known in self._open.get(partition, [])
            for gap in self._store.gaps(self._incarnation, MENTIONS, partition, known.start, known.end)
        ]
        low = self._begins.get(partition, 0) if self._begins else 0
        whole = Bounds(low, bounds.high, bounds.log_begin, bounds.log_end)
        return prove(partition, whole, [*before, *proof.lost, *proof.gaps], {})

    def _tell(self, found: Reconciliation) -> None:
        for proof in found.proofs:
            partition = str(proof.partition)
            LEDGER_GAPS.labels(partition).set(proof.missing - proof.unprovable)
            LEDGER_UNPROVABLE.labels(partition).set(proof.unprovable)
            LEDGER_WATERMARK.labels(partition).set(proof.bounds.high)
        missing = {gap for proof in found.proofs for gap in (*proof.gaps, *proof.lost)}
        new = sorted(missing - self._told)
        if new:
            ranges = ", ".join(map(str, new[:SHOWN])) + (f" and {len(new) - SHOWN} more" if len(new) > SHOWN else "")
            log.error(
                "ledger: %d offsets of %s passed all stages and ended nowhere (partition %s): "
                "`babelwatch reconcile --repair` reads them again",
                *(sum(gap.offsets for gap in new), MENTIONS, ranges),
            )
        elif self._told and not missing:
            log.warning("ledger: nothing is missing any more")
        self._told = missing


def forget_metrics() -> None:
    """This worker looks no more: another one does."""
    for gauge in (LEDGER_GAPS, LEDGER_UNPROVABLE, LEDGER_WATERMARK):
        gauge.clear()
