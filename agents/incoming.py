"""One record as the stages see it, free of Faust's types."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.kafka.stamps import moment_of
from schemas.events import Origin

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Incoming:
    """Bytes and position of one record. ``timestamp_ms`` is the record's own, in milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes
    headers: Headers

    @classmethod
    def of_event(cls, event: Any) -> "Incoming":  # noqa: ANN401 - a Faust event, untyped here
        """Return what a Faust event of a raw topic carries."""
        message = event.message
        timestamp = message.timestamp
        return cls(
            message.topic,
            message.partition,
            message.offset,
            None if timestamp is None else round(timestamp * 1000),
            message.key,
            # A tombstone (no value at all) is bad input like any other, and must not crash the stage.
            message.value or b"",
            _headers(message.headers),
        )

    @classmethod
    def of_record(cls, record: Any) -> "Incoming":  # noqa: ANN401 - an aiokafka record, untyped here
        """Return what an aiokafka ConsumerRecord carries."""
        return cls(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value or b"",
            _headers(record.headers),
        )

    def origin(self, incarnation: str) -> Origin:
        """Position of this record in the broker's ``incarnation``."""
        return Origin(incarnation=incarnation, topic=self.topic, partition=self.partition, offset=self.offset)

    def received_at(self, now: datetime) -> datetime:
        """Return when the broker (or the producer's client) stamped the record: the same at every redelivery.

        ``now`` where the stamp is missing or cannot be one.
        """
        return moment_of(self.timestamp_ms) or now


def _headers(found: Any) -> Headers:  # noqa: ANN401 - a client's, untyped here
    """Kafka allows a header without a value (NULLABLE_BYTES); here it is an empty one."""
    return tuple((name, value or b"") for name, value in found or ())
