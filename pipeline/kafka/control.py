"""Small topics of one partition that say how things shall be or are, read without a consumer group."""

import time
from typing import Any, Final, NamedTuple, Self

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from pipeline.kafka.admin import kind
from pipeline.kafka.client import client_options, unavailable
from pipeline.settings import Settings

POLL_S: Final = 0.1


class ControlRecord(NamedTuple):
    """One record. ``timestamp_ms`` is its sender's clock, in milliseconds since 1970."""

    offset: int
    timestamp_ms: int
    value: bytes


class ControlReader:
    """Follows one control topic. Close it, or use ``with``; one thread at a time."""

    def __init__(self, settings: Settings, topic: str, timeout_s: float) -> None:
        """Raises BrokerUnavailable when no broker answers within ``timeout_s``."""
        self._settings = settings
        self._partition = TopicPartition(topic, 0)
        self._timeout_s = timeout_s
        try:
            self._consumer: Any = KafkaConsumer(
                **client_options(settings),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=500,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=int(timeout_s * 1000),
                request_timeout_ms=int(max(1.0, min(timeout_s, 30.0)) * 1000),
            )
        except (KafkaError, OSError) as error:
            raise unavailable(settings, f"topic {topic} cannot be read ({kind(error)})") from error
        self._consumer.assign([self._partition])
        self._consumer.seek(self._partition, 0)

    def poll(self, timeout_s: float) -> list[ControlRecord]:
        """Records that came since the last call, waiting for the first at most ``timeout_s``. None while it is away."""
        found = self._consumer.poll(timeout_ms=int(timeout_s * 1000)).get(self._partition, [])
        return [ControlRecord(r.offset, r.timestamp, bytes(r.value)) for r in found if r.value is not None]

    def to_end(self, last: int | None = None) -> list[ControlRecord]:
        """Everything up to the end of the topic as it is now, of the ``last`` offsets only when given.

        Raises BrokerUnavailable when the end is not reached in time.
        """
        deadline = time.monotonic() + self._timeout_s
        found: list[ControlRecord] = []
        started = last is None
        while time.monotonic() < deadline:
            records = self.poll(POLL_S)
            # The fetch high watermark: ListOffsets is wrong on the embedded broker.
            end = self._consumer.highwater(self._partition)
            if not started and end is not None and last is not None:
                started = True
                self._consumer.seek(self._partition, max(0, end - last))
                continue
            if started:
                found += records
                if end is not None and self._consumer.position(self._partition) >= end:
                    return found
        raise unavailable(
            self._settings, f"topic {self._partition.topic} gave no answer within {self._timeout_s:.0f} s"
        )

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close(autocommit=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ControlWriter:
    """Sends to control topics. Close it, or use ``with``."""

    def __init__(self, settings: Settings, timeout_s: float) -> None:
        """Raises BrokerUnavailable when no broker answers within ``timeout_s``."""
        self._settings = settings
        try:
            self._producer: Any = KafkaProducer(
                **client_options(settings),
                acks="all",
                # The embedded broker has no InitProducerId.
                enable_idempotence=False,
                allow_auto_create_topics=False,
                bootstrap_timeout_ms=int(timeout_s * 1000),
                max_block_ms=int(timeout_s * 1000),
                request_timeout_ms=int(max(1.0, min(timeout_s, 30.0)) * 1000),
            )
        except (KafkaError, OSError) as error:
            raise unavailable(settings, f"no answer within {timeout_s:.0f} s ({kind(error)})") from error

    def send(self, topic: str, key: bytes, value: bytes, timeout_s: float) -> int:
        """Send one record and return its offset when the broker has confirmed it. Raises BrokerUnavailable."""
        try:
            # Named, because the embedded broker makes a topic that a client asks about, with more partitions than ours.
            return int(self._producer.send(topic, partition=0, key=key, value=value).get(timeout=timeout_s).offset)
        except (KafkaError, OSError) as error:
            raise unavailable(self._settings, f"topic {topic} cannot be written ({kind(error)})") from error

    def close(self) -> None:
        """Close the connection."""
        self._producer.close(timeout=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
