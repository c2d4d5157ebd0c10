"""Looks at the ledger again and again while the stream runs: at what is new or was missing, and once an hour at all."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from pipeline.kafka.barrier import Barrier
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import Bounds, Gap, Proof, merged, prove
from pipeline.ledger_sweep import Sweep
from pipeline.metrics import LEDGER_GAPS, LEDGER_UNPROVABLE, LEDGER_WATERMARK
from pipeline.reconcile import Reconciliation, ledger_begins, look
from pipeline.repair import settle
from pipeline.store.ledger import MOST_GAPS, LedgerStore, Mark

log = logging.getLogger(__name__)

SHOWN: Final = 5


class LedgerWatch:
    """What is known of each partition between two looks. One thread at a time."""

    def __init__(
        self,
        reader: OffsetReader,
        records: RangeReader,
        store: LedgerStore,
        incarnation: str,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``clock``: seconds, by which it is time to look at everything again."""
        self._reader = reader
        self._records = records
        self._store = store
        self._incarnation = incarnation
        self._sweep = Sweep(store, incarnation, clock)
        self._begins: dict[int, int] | None = None
        self._seen: dict[int, int] = {}
        """Partition -> offset up to which was looked; of those below it only ``_open`` are known to be missing."""
        self._open: dict[int, list[Gap]] = {}
        self._marked: dict[int, Mark] = {}
        """Partition -> mark that this watch has found or left in ClickHouse."""
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
        marks = self._marks()
        begins = self._begin(barrier, marks)
        self._go_back(begins, marks)
        swept = self._sweep.part(begins, self._seen)
        for partition, gaps in swept.items():
            self._open[partition] = merged([*self._open.get(partition, []), *gaps])
        newest = self._newest(barrier, begins)
        fresh = [_with(proof, swept.get(proof.partition, []), proof.bounds) for proof in newest.proofs]
        if any(proof.gaps for proof in fresh) and settle(
            self._reader, self._records, self._store, self._incarnation, fresh
        ):
            newest = self._newest(barrier, begins)
        proofs = tuple(self._with_open(proof, begins) for proof in newest.proofs)
        for new, proof in zip(newest.proofs, proofs, strict=True):
            # An answer that is full may have left some out: they are found from its end on.
            missing = [*new.lost, *new.gaps]
            self._seen[proof.partition] = missing[-1].end if len(missing) >= MOST_GAPS else proof.bounds.high
            self._open[proof.partition] = [*proof.lost, *proof.gaps]
        found = Reconciliation(self._incarnation, proofs, begins)
        self._tell(found)
        self._keep(found, marks)
        return found

    def _begin(self, barrier: Barrier, marks: Mapping[int, Mark]) -> dict[int, int]:
        """Where the ledger begins; the first look goes on from where the one before it had proved everything."""
        if self._begins is None:
            self._begins = ledger_begins(self._store, self._incarnation, barrier)
            self._seen = {p: max(begin, marks[p].proven if p in marks else 0) for p, begin in self._begins.items()}
            self._marked = dict(marks)
        return self._begins

    def _go_back(self, begins: Mapping[int, int], marks: Mapping[int, Mark]) -> None:
        """Look again from what is proved by a mark that is another one than this watch has left.

        `babelwatch reconcile` has found something; or ClickHouse was restored from a backup, as its marks were.
        """
        for partition, seen in self._seen.items():
            mark = marks.get(partition)
            if mark != self._marked.get(partition):
                self._seen[partition] = min(seen, begins.get(partition, 0) if mark is None else mark.proven)

    def _newest(self, barrier: Barrier, begins: Mapping[int, int]) -> Reconciliation:
        return look(self._reader, self._store, self._incarnation, barrier, begins, self._seen, count=False)

    def _with_open(self, proof: Proof, begins: Mapping[int, int]) -> Proof:
        """``proof`` of what is new, with what is still missing of what was missing before."""
        partition, bounds = proof.partition, proof.bounds
        before = [
            gap
            for known in self._open.get(partition, [])
            for gap in self._store.gaps(self._incarnation, MENTIONS, partition, known.start, known.end)
        ]
        return _with(proof, before, replace(bounds, low=begins.get(partition, 0)))

    def _marks(self) -> dict[int, Mark]:
        found = self._store.marks(self._incarnation)
        return {mark.partition: replace(mark, age_s=0.0) for mark in found if mark.topic == MENTIONS}

    def _keep(self, found: Reconciliation, before: Mapping[int, Mark]) -> None:
        """Leave marks, but none over one that somebody else has left since this look began: the next look reads it."""
        now = self._marks()
        mine = [mark for mark in found.marks() if now.get(mark.partition) == before.get(mark.partition)]
        self._store.mark(mine)
        self._marked |= {mark.partition: mark for mark in mine}

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


def _with(proof: Proof, gaps: list[Gap], bounds: Bounds) -> Proof:
    """``proof``, with more ``gaps``, of what is within ``bounds``."""
    return prove(proof.partition, bounds, merged([*gaps, *proof.lost, *proof.gaps]), {})


def forget_metrics() -> None:
    """This worker looks no more: another one does."""
    for gauge in (LEDGER_GAPS, LEDGER_UNPROVABLE, LEDGER_WATERMARK):
        gauge.clear()
