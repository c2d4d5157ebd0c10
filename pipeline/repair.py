"""What to do about gaps: find out which offsets hold no record at all, and deliver the other ones once more."""

from collections.abc import Callable, Iterable
from typing import Final

from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import Interval, Proof, ranges
from pipeline.store.ledger import LedgerStore

MOST_LOOKED_AT: Final = 100_000
"""Offsets of one partition in which :func:`settle` looks for absent ones; the others are for the next look."""


def settle(reader: RangeReader, store: LedgerStore, incarnation: str, proofs: Iterable[Proof]) -> int:
    """Write down the offsets of gaps at which Kafka has no record, and return how many.

    A transaction's marker and compaction leave such offsets: nothing was lost there. Raises BrokerUnavailable,
    ClickHouseUnavailable.
    """
    absent: list[Interval] = []
    for proof in proofs:
        left = MOST_LOOKED_AT
        for gap in proof.gaps:
            end = min(gap.end, gap.start + left)
            left -= end - gap.start
            there = (record.offset for record in reader.read(MENTIONS, proof.partition, gap.start, end))
            absent += [
                Interval(incarnation, MENTIONS, proof.partition, first, last, "absent")
                for first, last in ranges(there, gap.start, end)
            ]
            if not left:
                break
    store.write(absent)
    return sum(interval.last - interval.first + 1 for interval in absent)


def repair(
    reader: RangeReader,
    redeliverer: Redeliverer,
    proofs: Iterable[Proof],
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Deliver every record of the gaps in ``proofs`` once more, and return how many there were.

    Safe to repeat and to interrupt: what arrives twice counts once. ``progress`` is told how many are sent. Raises
    BrokerUnavailable.
    """
    sent = 0
    for proof in proofs:
        for gap in proof.gaps:
            for record in reader.read(MENTIONS, proof.partition, gap.start, gap.end):
                redeliverer.send(record)
                sent += 1
                progress(sent)
    redeliverer.flush()
    return sent
