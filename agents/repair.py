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
"""Polls of one second without a record, on a partition that does answer fetches, until the rest counts as absent."""


async def read_gap(settings: Settings, gap: Gap, chunk: int) -> AsyncIterator[list[Incoming]]:
    """Yield the records of ``gap`` that exist, in order, at most ``chunk`` at a time.

    Offsets may be absent for good reasons: retention, compaction, transaction markers. Raises aiokafka's errors and
    TimeoutError when the broker does not answer (the caller tries again).
    """
    consumer = aiokafka.AIOKafkaConsumer(
        **aiokafka_options(settings), enable_auto_commit=False, auto_offset_reset="earliest", request_timeout_ms=10_000
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
                if consumer.highwater(partition) is None:
                    raise TimeoutError(f"no answer for {gap}")
                return
    finally:
        await consumer.stop()
