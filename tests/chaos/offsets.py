"""Kafka's own account: what is in the log, and how far each consumer group has come. kafka-python only."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from tests.chaos.sender import HEADER, TOPIC
from tests.chaos.truth import digest

PATH: Final = (
    ("babelwatch-language", "mentions"),
    ("babelwatch-sentiment", "mentions.detected"),
    ("babelwatch-sink", "mentions.scored"),
    ("babelwatch-sink", "mentions.dead"),
)
"""(group, topic) in the order of the flow."""


class Offsets:
    """Reads ends and commits over connections that stay open. Every question may fail: then the answer is None."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._consumer: Any = None
        self._admin: Any = None

    def behind(self) -> dict[tuple[str, str], int] | None:
        """(group, topic) -> messages that are not committed; None when the broker does not say."""
        try:
            if self._consumer is None:
                self._connect()
            # In the order of the flow: what is committed was sent on before.
            return {(group, topic): self._behind(group, topic) for group, topic in PATH}
        except (KafkaError, OSError, TimeoutError, ValueError, KeyError, AssertionError):
            self.close()
            return None

    def close(self) -> None:
        """Close the connections; the next question opens others."""
        for client in (self._consumer, self._admin):
            if client is not None:
                try:
                    client.close()
                except (KafkaError, OSError):
                    continue
        self._consumer = self._admin = None

    def _connect(self) -> None:
        options = {"bootstrap_servers": self._address, "request_timeout_ms": 5_000, "bootstrap_timeout_ms": 5_000}
        self._consumer = KafkaConsumer(
            **options,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            max_partition_fetch_bytes=1,
            enable_incremental_fetch_sessions=False,
        )
        self._admin = KafkaAdminClient(**options)

    def _behind(self, group: str, topic: str) -> int:
        # Asked of the broker each time: a fault adds partitions.
        [described] = self._admin.describe_topics([topic])
        partitions = [TopicPartition(topic, p["partition_index"]) for p in described["partitions"]]
        if not partitions:
            raise ValueError(f"no topic {topic}")
        ends = self._ends(partitions)
        committed = self._admin.list_group_offsets({group: partitions})[group]
        return sum(max(0, ends[p] - max(0, committed[p].offset if p in committed else 0)) for p in partitions)

    def _ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The fetch's high watermark: ListOffsets is wrong on the embedded broker."""
        self._consumer.unsubscribe()
        self._consumer.assign(partitions)
        for partition, offset in self._consumer.end_offsets(partitions).items():
            self._consumer.seek(partition, offset)
        deadline = time.monotonic() + 5
        while True:
            self._consumer.poll(timeout_ms=20)
            found = {p: self._consumer.highwater(p) for p in partitions}
            if all(end is not None for end in found.values()):
                return found
            if time.monotonic() > deadline:
                raise TimeoutError


@dataclass
class Log:
    """What is in topic ``mentions``, read from its beginning to its end."""

    times: bytearray
    """How often each message of the input file is there (255: that often or more)."""
    poison: dict[tuple[int, int], int] = field(default_factory=dict)
    """(partition, offset) of a poison message -> its number."""
    foreign: list[str] = field(default_factory=list)
    """Records that are not in the input file, or with another value than there."""
    records: int = 0

    @property
    def missing(self) -> list[int]:
        """Numbers of messages that are not there."""
        return [n for n, times in enumerate(self.times) if not times]


def read_log(address: str, messages: int, poison: dict[int, tuple[str, bytes]]) -> Log:
    """Read the whole topic. ``poison``: number -> (reason, hash of the value). Raises KafkaError, TimeoutError."""
    log = Log(bytearray(messages))
    for record in _records(address):
        log.records += 1
        n = next((int(value) for name, value in record.headers if name == HEADER), -1)
        where = f"{record.partition}/{record.offset}"
        if not 0 <= n < messages:
            log.foreign.append(f"{where}: no message of ours")
            continue
        log.times[n] = min(255, log.times[n] + 1)
        if n in poison:
            log.poison[record.partition, record.offset] = n
            if digest(record.value or b"") != poison[n][1]:
                log.foreign.append(f"{where}: message {n} with another value")
    return log


def _records(address: str) -> Iterator[Any]:
    consumer = KafkaConsumer(
        bootstrap_servers=address, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        partitions = [TopicPartition(TOPIC, n) for n in sorted(consumer.partitions_for_topic(TOPIC) or ())]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        deadline = time.monotonic() + 60
        while True:
            for records in consumer.poll(timeout_ms=500, max_records=5_000).values():
                yield from records
                deadline = time.monotonic() + 60
            ends = {p: consumer.highwater(p) for p in partitions}
            if all(end is not None and consumer.position(p) >= end for p, end in ends.items()):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {TOPIC} cannot be read to its end")
    finally:
        consumer.close()
