"""Reading topic ``mentions`` back, as a consumer of its own."""

import json
import time

from kafka import KafkaConsumer, TopicPartition

from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import end_offsets
from pipeline.kafka.topics import MENTIONS
from pipeline.settings import Settings

Record = tuple[bytes | None, bytes]
"""Key and value."""


def records(settings: Settings, topic: str = MENTIONS, timeout_s: float = 30.0) -> list[Record]:
    """Everything that is in ``topic`` now, by partition in order."""
    ends = {TopicPartition(topic, p): end for p, end in end_offsets(settings, topic).items()}
    found: list[Record] = []
    consumer = KafkaConsumer(**client_options(settings), group_id=None, fetch_max_wait_ms=50, enable_auto_commit=False)
    try:
        consumer.assign(list(ends))
        for partition in ends:
            consumer.seek(partition, 0)
        deadline = time.monotonic() + timeout_s
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            assert time.monotonic() < deadline, f"{topic} could not be read to its end"
            for batch in consumer.poll(timeout_ms=200).values():
                found += [(record.key, record.value) for record in batch]
    finally:
        consumer.close(autocommit=False)
    return found


def of_source(settings: Settings, source: str) -> list[Record]:
    """The records of one source: tests share a broker, and each has its own source."""
    marked = []
    for key, value in records(settings):
        try:
            event = json.loads(value)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("source") == source:
            marked.append((key, value))
    return marked
