"""Where a topic ends and how far each role has come.

Ends are the fetch high watermark: ListOffsets is wrong on the embedded broker (base offset of the last batch + 1).
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    KafkaError,
    NoError,
    NotCoordinatorError,
    UnknownTopicOrPartitionError,
    for_code,
)

from pipeline.kafka.admin import kind
from pipeline.kafka.client import client_options, unavailable
from pipeline.kafka.topics import GROUPS, INPUT_TOPICS
from pipeline.metrics import RETRIES
from pipeline.settings import Settings

ANSWER_S: Final = 10.0


@dataclass(frozen=True)
class PartitionLag:
    """How far ``role`` is behind on one partition; ``committed`` None: nothing was committed yet. In messages."""

    role: str
    topic: str
    partition: int
    end: int
    committed: int | None
    lag: int


class OffsetReader:
    """Reads offsets over connections that stay open: for whoever asks again and again. Close it, or use ``with``.

    Not safe to share between threads. Every method raises BrokerUnavailable when the broker does not answer.
    """

    def __init__(self, settings: Settings, timeout_s: float = ANSWER_S) -> None:
        self._settings = settings
        self._timeout_s = timeout_s
        options = client_options(settings) | {
            "bootstrap_timeout_ms": int(timeout_s * 1000),
            "request_timeout_ms": int(timeout_s * 1000),
        }
        self._consumer: Any = None
        self._admin: Any = None
        try:
            self._consumer = KafkaConsumer(
                **options,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                fetch_max_wait_ms=20,
                # Only the header of the answer is wanted; brokers send one batch all the same.
                max_partition_fetch_bytes=1,
                check_crcs=False,  # of records that nobody reads; in Python it costs more than all the rest
                # With a fetch session Apache Kafka leaves out partitions in which nothing changed.
                enable_incremental_fetch_sessions=False,
                allow_auto_create_topics=False,
            )
            self._admin = KafkaAdminClient(**options)
        except (KafkaError, OSError) as error:
            self.close()
            raise unavailable(settings, f"no answer within {timeout_s:.0f} s ({kind(error)})") from error

    def ends(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Return the next offset to be written of every partition of ``topics``; a missing topic has none.

        The broker is asked for the partitions each time: one that was added a moment ago may hold messages, and a
        barrier that did not know it would call them lost.
        """
        try:
            described = self._admin.describe_topics(list(topics))
            for topic in described:
                if topic["error_code"] not in (NoError.errno, UnknownTopicOrPartitionError.errno):
                    raise for_code(topic["error_code"])(topic["name"])
            partitions = [
                TopicPartition(topic["name"], partition["partition_index"])
                for topic in described
                for partition in topic["partitions"]
            ]
            return self._high_watermarks(partitions)
        except (KafkaError, OSError) as error:
            raise unavailable(self._settings, f"offsets cannot be read ({kind(error)})") from error

    def committed(self, group: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Return the committed offsets of ``group``; partitions without one are left out."""
        try:
            wanted = [
                TopicPartition(topic, number)
                for topic in topics
                for number in sorted(self._consumer.partitions_for_topic(topic) or ())
            ]
            found = self._group_offsets(group, wanted) if wanted else {}
        except (KafkaError, OSError) as error:
            raise unavailable(self._settings, f"offsets of {group} cannot be read ({kind(error)})") from error
        return {(tp.topic, tp.partition): o.offset for tp, o in found.items() if o.offset >= 0}

    def begins(self, topics: Iterable[str]) -> dict[tuple[str, int], int]:
        """Return the first offset that is still in the log, of every partition of ``topics``."""
        return self._beginnings(
            (topic, number) for topic in topics for number in self._consumer.partitions_for_topic(topic) or ()
        )

    def at(self, topic: str, moment_ms: int) -> dict[int, int]:
        """Partition -> first offset whose record is of ``moment_ms`` (since 1970) or later; the end where none is."""
        try:
            partitions = [TopicPartition(topic, p) for p in self._consumer.partitions_for_topic(topic) or ()]
            # First, because it waits for every partition's leader; of one without, the next question says nothing.
            ends = self._high_watermarks(partitions)
            # Kafka knows no time before 1970 (negative ones have meanings of their own).
            found = self._consumer.offsets_for_times(dict.fromkeys(partitions, max(0, moment_ms)))
        except (KafkaError, OSError) as error:
            raise unavailable(self._settings, f"offsets cannot be read ({kind(error)})") from error
        result = {}
        for tp in partitions:
            first = found.get(tp)
            # The embedded broker answers offset 0 without a time where Apache Kafka answers nothing.
            none = first is None or first.timestamp < 0
            result[tp.partition] = ends[topic, tp.partition] if none else int(first.offset)
        return result

    def lag(self, roles: Iterable[str] = tuple(GROUPS)) -> list[PartitionLag]:
        """Return the lag of every partition that ``roles`` consume, in flow order."""
        return [lag for role in roles for topic in INPUT_TOPICS[role] for lag in self.lag_of(role, topic)]

    def lag_of(self, role: str, topic: str) -> list[PartitionLag]:
        """Return the lag of ``role`` on ``topic``. The end is read first, so that a lag of 0 means it was reached."""
        ends = self.ends([topic])
        committed = self.committed(GROUPS[role], [topic])
        begins: dict[tuple[str, int], int] = {}
        if ends.keys() - committed.keys():
            begins = self._beginnings(ends.keys() - committed.keys())
        return [
            PartitionLag(
                role, name, number, end, committed.get(key), max(0, end - committed.get(key, begins.get(key, 0)))
            )
            for key, end in sorted(ends.items())
            for name, number in [key]
        ]

    def close(self) -> None:
        """Close the connections."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
        if self._admin is not None:
            self._admin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _group_offsets(self, group: str, partitions: list[TopicPartition]) -> Any:  # noqa: ANN401 - untyped library
        """Ask the group's coordinator; a broker that is new, or just lost one, needs a moment to name it."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return self._admin.list_group_offsets({group: partitions})[group]
            except (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError):
                if time.monotonic() > deadline:
                    raise
                RETRIES.labels("offsets", "coordinator").inc()
                time.sleep(0.1)

    def _beginnings(self, keys: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """First offset that is still there: retention may have removed what was never read."""
        try:
            found = self._ask(self._consumer.beginning_offsets, [TopicPartition(*key) for key in keys])
        except (KafkaError, OSError) as error:
            raise unavailable(self._settings, f"offsets cannot be read ({kind(error)})") from error
        return {(tp.topic, tp.partition): offset for tp, offset in found.items()}

    def _ask(self, question: Callable[[list[TopicPartition]], Any], partitions: list[TopicPartition]) -> Any:  # noqa: ANN401
        """Ask it until it is answered for all ``partitions``.

        kafka-python raises KeyError where it knows the leader of some but not of all (they were added a moment ago, or
        their broker was away), and does not ask for metadata by itself.
        """
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return question(partitions)
            except KeyError as error:
                if time.monotonic() > deadline:
                    raise unavailable(self._settings, f"no leader of {error} within {self._timeout_s:.0f} s") from None
                RETRIES.labels("offsets", "leader").inc()
                self._consumer.topics()
                time.sleep(0.05)

    def _high_watermarks(self, partitions: list[TopicPartition]) -> dict[tuple[str, int], int]:
        if not partitions:
            return {}
        consumer = self._consumer
        # A new assignment forgets the watermarks of the last question and drops fetches under way.
        consumer.unsubscribe()
        consumer.assign(partitions)
        for tp, offset in self._ask(consumer.end_offsets, partitions).items():
            consumer.seek(tp, offset)  # at or just below the end, on either broker
        deadline = time.monotonic() + self._timeout_s
        while True:
            consumer.poll(timeout_ms=20)
            found = {tp: consumer.highwater(tp) for tp in partitions}
            if all(offset is not None for offset in found.values()):
                return {(tp.topic, tp.partition): offset for tp, offset in found.items()}
            if time.monotonic() > deadline:
                raise unavailable(self._settings, f"no end offsets within {self._timeout_s:.0f} s")


def end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Return partition -> next offset to be written. Raises BrokerUnavailable."""
    with OffsetReader(settings) as reader:
        return {partition: end for (_, partition), end in reader.ends([topic]).items()}


def committed_offsets(settings: Settings, group: str, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Return (topic, partition) -> committed offset of ``group``; none where nothing was committed."""
    with OffsetReader(settings) as reader:
        return reader.committed(group, topics)


def lag(settings: Settings) -> list[PartitionLag]:
    """Return the lag of every role on every partition it consumes, in flow order. Raises BrokerUnavailable."""
    with OffsetReader(settings) as reader:
        return reader.lag()
