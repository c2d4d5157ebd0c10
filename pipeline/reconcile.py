"""Proof that every offset of ``mentions`` ended: Kafka's offsets against the ledger in ClickHouse.

A look waits for a :class:`pipeline.kafka.barrier.Barrier`, asks the ledger for the offsets below it that have no entry,
and tells those that Kafka still has (gaps, which can be read again) from those that it has not (unprovable).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pipeline.kafka.barrier import Barrier
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import OUTCOMES, Bounds, Outcome, Proof, prove
from pipeline.repair import settle
from pipeline.store.ledger import LedgerStore, Mark

POLL_S: Final = 0.2


@dataclass(frozen=True)
class Reconciliation:
    """What a look found, by partition."""

    incarnation: str
    proofs: tuple[Proof, ...]
    begins: Mapping[int, int]
    """Partition -> first offset that the ledger answers for."""
    waits_for: str = ""
    """Not empty when a stage did not get as far in time: then there are no proofs."""

    @property
    def gaps(self) -> int:
        """Offsets that did not end and can be read again."""
        return sum(gap.offsets for proof in self.proofs for gap in proof.gaps)

    @property
    def unprovable(self) -> int:
        """Offsets that did not end and are gone from Kafka."""
        return sum(proof.unprovable for proof in self.proofs)

    @property
    def complete(self) -> bool:
        """True when every offset that was looked at has ended."""
        return not self.waits_for and not self.gaps and not self.unprovable

    def counts(self) -> dict[Outcome, int]:
        """How many offsets ended how."""
        return {name: sum(proof.counts.get(name, 0) for proof in self.proofs) for name in OUTCOMES}

    def marks(self) -> list[Mark]:
        """What shall be remembered of it."""
        return [
            Mark(
                self.incarnation,
                MENTIONS,
                proof.partition,
                self.begins.get(proof.partition, 0),
                proof.bounds.log_begin,
                proof.bounds.log_end,
                proof.bounds.high,
                proof.proven,
                proof.missing,
                proof.unprovable,
            )
            for proof in self.proofs
        ]


def reconcile(
    reader: OffsetReader,
    records: RangeReader,
    store: LedgerStore,
    incarnation: str,
    *,
    since: Mapping[int, int] | None = None,
    at_least: Mapping[int, int] | None = None,
    timeout_s: float,
    waiting: Callable[[str], object] = lambda _: None,
) -> Reconciliation:
    """Look once, waiting ``timeout_s`` at most until the stages have got as far as the first one is now.

    ``since``: partition -> first offset to look at; without it, all that the ledger answers for. ``at_least``:
    partition -> offset that the first stage has to reach before. ``waiting`` is told what is waited for.

    Raises BrokerUnavailable, ClickHouseUnavailable, ClickHouseRefused.
    """
    barrier = Barrier(reader, at_least)
    deadline = time.monotonic() + timeout_s
    while not barrier.passed():
        if time.monotonic() > deadline:
            return Reconciliation(incarnation, (), {}, barrier.waits_for)
        waiting(barrier.waits_for)
        time.sleep(POLL_S)
    begins = ledger_begins(store, incarnation, barrier)
    low = {partition: max(begin, (since or {}).get(partition, 0)) for partition, begin in begins.items()}
    found = look(reader, store, incarnation, barrier, begins, low, count=True)
    if found.gaps and settle(reader, records, store, incarnation, found.proofs):
        return look(reader, store, incarnation, barrier, begins, low, count=True)
    return found


def ledger_begins(store: LedgerStore, incarnation: str, barrier: Barrier) -> dict[int, int]:
    """Partition -> first offset that the ledger answers for; ``barrier`` is passed.

    That is 0, unless mentions of this broker were stored by a build that kept no ledger: then it begins here.
    """
    marked = {mark.partition: mark.begin for mark in store.marks(incarnation) if mark.topic == MENTIONS}
    if not marked and store.is_younger(incarnation):
        return {partition: barrier.watermark.get(partition, 0) for partition in barrier.log_end}
    return {partition: marked.get(partition, 0) for partition in barrier.log_end}


def look(
    reader: OffsetReader,
    store: LedgerStore,
    incarnation: str,
    barrier: Barrier,
    begins: Mapping[int, int],
    low: Mapping[int, int],
    *,
    count: bool,
) -> Reconciliation:
    """What the ledger says from ``low`` on, once ``barrier`` is passed.

    ``count`` also counts how offsets ended, which reads all of their entries.
    """
    log_begins = reader.begins([MENTIONS])
    proofs = []
    for partition, log_end in sorted(barrier.log_end.items()):
        start = low.get(partition, 0)
        high = max(start, barrier.watermark.get(partition, start))
        bounds = Bounds(start, high, log_begins.get((MENTIONS, partition), 0), max(log_end, high))
        gaps = store.gaps(incarnation, MENTIONS, partition, start, high)
        counts = store.counts(incarnation, MENTIONS, partition, start, high) if count else {}
        proofs.append(prove(partition, bounds, gaps, counts))
    return Reconciliation(incarnation, tuple(proofs), begins)
