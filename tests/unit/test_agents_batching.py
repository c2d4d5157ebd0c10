"""Records as batches of one partition each, and the partition that every Kafka client would choose."""

from dataclasses import dataclass, field

import pytest
from aiokafka.partitioner import murmur2 as reference
from aiokafka.producer.message_accumulator import BatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from agents.batching import batches, murmur2, partition_of


@dataclass
class Record:
    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = field(default=())


@given(st.binary(max_size=70))
def test_the_hash_is_that_of_kafkas_clients(data: bytes) -> None:
    assert murmur2(data) == reference(data) & 0xFFFFFFFF


@given(st.lists(st.tuples(st.sampled_from("ab"), st.binary(min_size=1, max_size=3), st.integers(1, 400)), max_size=80))
def test_every_record_is_in_one_batch_of_its_partition_in_order(rows: list[tuple[str, bytes, int]]) -> None:
    records = [Record(topic, key, b"x" * size) for topic, key, size in rows]
    counts = {"a": range(1), "b": range(4)}
    made = batches(records, counts, lambda: BatchBuilder(1_000, 0))
    assert sorted(place for batch in made for place in batch.places) == list(range(len(records)))
    last: dict[tuple[str, int], int] = {}
    for batch in made:
        assert batch.builder.record_count() == len(batch.places)  # type: ignore[attr-defined]
        for place in batch.places:
            record = records[place]
            assert (record.topic, partition_of(record.key, len(counts[record.topic]))) == (batch.topic, batch.partition)
            assert place > last.get((batch.topic, batch.partition), -1)
            last[batch.topic, batch.partition] = place


def test_a_record_larger_than_a_batch_has_one_of_its_own() -> None:
    records = [Record("a", b"k", b"small"), Record("a", b"k", b"x" * 5_000), Record("a", b"k", b"small")]
    made = batches(records, {"a": [0]}, lambda: BatchBuilder(1_000, 0))
    assert [batch.places for batch in made] == [[0], [1], [2]]


def test_a_record_without_a_key_goes_anywhere() -> None:
    assert {partition_of(None, 3) for _ in range(200)} == {0, 1, 2}


def test_partitions_that_are_not_numbered_from_zero() -> None:
    made = batches([Record("a", b"k", b"v")], {"a": [7]}, lambda: BatchBuilder(1_000, 0))
    assert [batch.partition for batch in made] == [7]


@pytest.mark.parametrize("headers", [(), (("h", b"1"), ("h", b"2"))])
def test_headers_go_with_it(headers: tuple[tuple[str, bytes], ...]) -> None:
    from aiokafka.record.default_records import DefaultRecordBatch

    made = batches([Record("a", None, b"v", headers)], {"a": [0]}, lambda: BatchBuilder(1_000, 0))
    data = bytes(made[0].builder._build())  # type: ignore[attr-defined]
    (record,) = list(DefaultRecordBatch(data))
    assert (record.key, record.value, tuple(record.headers)) == (None, b"v", headers)
