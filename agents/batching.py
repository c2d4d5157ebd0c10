"""Records as Kafka batches of one partition each: what aiokafka does per record, done per batch; pure.

:func:`partition_of` is the Java client's choice (murmur2 of the key), as every other producer here makes it: one
mention stays in one partition, in order.
"""

import random
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

_SEED: Final = 0x9747B28C
_MIX: Final = 0x5BD1E995
_32: Final = 0xFFFFFFFF


class Record(Protocol):
    """What is sent."""

    @property
    def topic(self) -> str:
        """Where it goes."""

    @property
    def key(self) -> bytes | None:
        """What decides its partition."""

    @property
    def value(self) -> bytes:
        """Its content."""

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """Name and value of each."""


class Builder(Protocol):
    """aiokafka's BatchBuilder."""

    def append(self, *, timestamp: int | None, key: bytes | None, value: bytes, headers: Sequence[Any]) -> Any:  # noqa: ANN401
        """None when the batch is full."""


@dataclass(slots=True)
class Batch:
    """A builder with the places of its records in what was given."""

    topic: str
    partition: int
    builder: Builder
    places: list[int] = field(default_factory=list)


def batches(
    records: Sequence[Record], partitions: Mapping[str, Sequence[int]], builder: Callable[[], Builder]
) -> list[Batch]:
    """All ``records``, in order within each partition. ``partitions``: topic -> its partitions, sorted."""
    done: list[Batch] = []
    open_: dict[tuple[str, int], Batch] = {}
    for place, record in enumerate(records):
        topic = record.topic
        those = partitions[topic]
        partition = those[partition_of(record.key, len(those))]
        batch = open_.get((topic, partition))
        if batch is None or not _put(batch, place, record):
            batch = open_[topic, partition] = Batch(topic, partition, builder())
            done.append(batch)
            _put(batch, place, record)
    return done


def _put(batch: Batch, place: int, record: Record) -> bool:
    added = batch.builder.append(timestamp=None, key=record.key, value=record.value, headers=list(record.headers))
    if added is None:
        return False
    batch.places.append(place)
    return True


def partition_of(key: bytes | None, count: int) -> int:
    """Index of the partition, of ``count``; any where there is no key."""
    return random.randrange(count) if key is None else (murmur2(key) & 0x7FFFFFFF) % count  # noqa: S311


def murmur2(data: bytes) -> int:
    """MurmurHash2 of 32 bits as Kafka's Java client has it (org.apache.kafka.common.utils.Utils.murmur2)."""
    length = len(data)
    value = _SEED ^ length
    whole = length & ~3
    for word in struct.unpack_from(f"<{whole >> 2}I", data):
        mixed = word * _MIX & _32
        mixed = (mixed ^ mixed >> 24) * _MIX & _32
        value = value * _MIX & _32 ^ mixed
    rest = data[whole:]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * _MIX & _32
    value = (value ^ value >> 13) * _MIX & _32
    return value ^ value >> 15
