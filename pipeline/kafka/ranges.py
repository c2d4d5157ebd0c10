"""Reads ranges of offsets by themselves, without a consumer group."""

import time
from collections.abc import Iterator
from typing import Any, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from pipeline.kafka.admin import kind
from pipeline.kafka.client import client_options, unavailable
from pipeline.kafka.topics import MAX_DEAD_BYTES
from pipeline.settings import Settings


class RangeReader:
    """Reads what is in ranges of offsets. Close it, or use ``with``; one thread at a time."""

    def __init__(self, settings: Settings, timeout_s: float = 30.0) -> None:
        """Raises BrokerUnavailable when no broker answers in ``timeout_s``."""
        self._settings = settings
        self._timeout_s = timeout_s
        try:
            self._consumer: Any = KafkaConsumer(
                **client_options(settings),
                bootstrap_timeout_ms=int(timeout_s * 1000),
                request_timeout_ms=int(timeout_s * 1000),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=50,
                max_partition_fetch_bytes=MAX_DEAD_BYTES,
                allow_auto_create_topics=False,
                isolation_level="read_committed",  # as the stages do: what was aborted was never sent
            )
        except (KafkaError, OSError) as error:
            raise unavailable(settings, f"no answer within {timeout_s:.0f} s ({kind(error)})") from error

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]:
        """Yield the records with offsets from ``start`` to ``end`` (exclusive) that exist, in order.

        Offsets may be absent for good reasons: retention, compaction, a transaction's marker, what it aborted. Raises
        BrokerUnavailable when the broker does not answer.
        """
        tp = TopicPartition(topic, partition)
        self._consumer.assign([tp])
        self._consumer.seek(tp, start)
        heard = time.monotonic()
        try:
            while self._consumer.position(tp) < end:
                records = self._consumer.poll(timeout_ms=200).get(tp, [])
                for record in records:
                    if record.offset >= end:
                        return
                    yield record
                high = self._consumer.highwater(tp)
                if records:
                    heard = time.monotonic()
                elif high is not None and self._consumer.position(tp) >= high:
                    return
                elif time.monotonic() - heard > self._timeout_s:
                    raise unavailable(
                        self._settings, f"{topic}/{partition} was not read within {self._timeout_s:.0f} s"
                    )
        except KafkaError as error:
            raise unavailable(self._settings, f"{topic}/{partition} cannot be read ({kind(error)})") from error

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
