"""What to do about gaps: find out which offsets hold no record at all, and deliver the other ones once more."""

from collections.abc import Callable, Iterable
from typing import Final

from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import Gap, Interval, Proof, ranges
from pipeline.store.ledger import LedgerStore

MOST_LOOKED_AT: Final = 100_000
"""Offsets of one partition in which :func:`settle` looks for absent ones; the others are for the next look."""


def settle(
    offsets: OffsetReader, records: RangeReader, store: LedgerStore, incarnation: str, proofs: Iterable[Proof]
) -> int:
    """Write down the offsets of gaps at which Kafka has no record, and return how many.

    A transaction's marker and compaction leave such offsets: nothing was lost there. Raises BrokerUnavailable,
    ClickHouseUnavailable, ClickHouseRefused.
    """
    nothing: list[Gap] = []
    for proof in proofs:
        left = MOST_LOOKED_AT
        for gap in proof.gaps:
            end = min(gap.end, gap.start + left)
            left -= end - gap.start
            there = (record.offset for record in records.read(MENTIONS, proof.partition, gap.start, end))
            nothing += [Gap(proof.partition, first, last + 1) for first, last in ranges(there, gap.start, end)]
            if not left:
                break
    if not nothing:
        return 0
    # Where the log ends is asked after the reading: retention may have removed records in between, or a broker lost
    # some, and a reader finds nothing there as well. What is in the log now was in it all the time.
    begins, ends = offsets.begins([MENTIONS]), offsets.ends([MENTIONS])
    absent = [
        Interval(incarnation, MENTIONS, gap.partition, first, last - 1, "absent")
        for gap in nothing
        for key in [(MENTIONS, gap.partition)]
        for first, last in [(max(gap.start, begins.get(key, gap.end)), min(gap.end, ends.get(key, 0)))]
        if first < last
    ]
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
