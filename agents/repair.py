"""Reads offsets that the consumer group did not deliver, by themselves, without the group."""

import logging
from collections.abc import AsyncIterator
from typing import Final

import aiokafka

from agents.connection import aiokafka_options
from agents.continuity import Gap
from agents.incoming import Incoming
from pipeline.settings import Settings

log = logging.getLogger(__name__)

_IDLE_POLLS: Final = 3
"""Polls of one second without a record until the broker is asked whether the log ends here."""


async def read_gap(settings: Settings, gap: Gap, chunk: int) -> AsyncIterator[list[Incoming]]:
    """Yield the records of ``gap`` that exist, in order, at most ``chunk`` at a time.

    Offsets may be absent for good reasons: retention, compaction, a transaction's markers and what it aborted, a log
    that was cut. Raises aiokafka's errors and TimeoutError when the broker does not answer, or has more and does not
    give it (the caller tries again): a silent broker is no evidence that nothing is there.
    """
    consumer = aiokafka.AIOKafkaConsumer(
        **aiokafka_options(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        request_timeout_ms=10_000,
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        partition = aiokafka.TopicPartition(gap.topic, gap.partition)
        consumer.assign([partition])
        consumer.seek(partition, gap.start)
        idle = 0
        while await consumer.position(partition) < gap.end:
            records = (await consumer.getmany(partition, timeout_ms=1000, max_records=chunk)).get(partition, [])
            found = [Incoming.of_record(record) for record in records if record.offset < gap.end]
            if found:
                yield found
            idle = 0 if records else idle + 1
            if idle >= _IDLE_POLLS:
                await _require_end(consumer, partition)
                return
    finally:
        await consumer.stop()


async def _require_end(consumer: aiokafka.AIOKafkaConsumer, partition: aiokafka.TopicPartition) -> None:
    """Raise TimeoutError unless the log ends where ``consumer`` is."""
    position = await consumer.position(partition)
    # Asked now, which a broker that hangs does not answer. The embedded one says too little here (shared by
    # pipeline.kafka.offsets), so what fetches have said counts as well.
    asked = (await consumer.end_offsets([partition]))[partition]
    end = max(asked, consumer.highwater(partition) or 0)
    if position < end:
        raise TimeoutError(f"{partition} is read up to {position} only, and ends at {end}")
