"""Batches that a client library refuses are read all the same, record by record, and none stops a reader."""

from collections.abc import Sequence
from typing import Any

import aiokafka.consumer.fetcher
import kafka.consumer.fetcher
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatchBuilder

from pipeline.kafka.tolerant import UNREADABLE, TolerantRecords, install, records_of

LIBRARIES = {"aiokafka": aiokafka.consumer.fetcher, "kafka-python": kafka.consumer.fetcher}
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
HEADERS = [("trace", b"1"), ("empty", b""), ("none", None)]


class Bytes(str):
    """A header's name as a client in C may write it."""

    def encode(self, *_: Any) -> bytes:
        return b"a\xff\xfe"


def batch(records: Sequence[tuple[bytes | None, bytes | None, list[Any]]], codec: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=codec, is_transactional=False, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 20,
    )  # fmt: skip
    for offset, (key, value, headers) in enumerate(records):
        assert builder.append(offset, 1_000 + offset, key, value, headers) is not None
    return bytes(builder.build())


def read(library: str, raw: bytes) -> list[tuple[Any, ...]]:
    """All records as the fetcher of ``library`` takes them."""
    install(LIBRARIES[library])
    records = LIBRARIES[library].MemoryRecords(raw)
    assert isinstance(records, TolerantRecords)
    assert records.size_in_bytes() == len(raw)
    found = []
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        found += [(r.offset, r.timestamp, r.key, r.value, list(r.headers)) for r in one]
        assert one.next_offset > one.base_offset
    assert records.next_batch() is None
    return found


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("codec", CODECS)
def test_every_compression_is_read(library: str, codec: str) -> None:
    """Without its codec a worker ended at the first such batch, and so did whoever came after it."""
    raw = batch([(b"k", b"v" * 300, HEADERS), (None, None, [])], CODECS[codec])
    assert read(library, raw) == [(0, 1_000, b"k", b"v" * 300, HEADERS), (1, 1_001, None, None, [])]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("codec", CODECS)
def test_a_header_whose_name_is_not_utf8_stops_nobody(library: str, codec: str) -> None:
    records = [(None, b"1", []), (b"k", b"2", [(Bytes("x"), b"v"), ("trace", None)]), (None, b"3", [])]
    once = batch(records, CODECS[codec])
    assert read(library, once * 2) == 2 * [
        (0, 1_000, None, b"1", []),
        (1, 1_001, b"k", b"2", [("a\\xff\\xfe", b"v"), ("trace", None)]),
        (2, 1_002, None, b"3", []),
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_cannot_be_unpacked_is_there_with_its_bytes_and_why(library: str) -> None:
    raw = bytearray(batch([(None, b"first", []), (None, b"second", []), (None, b"third", [])]))
    place = raw.index(b"second") - 1
    raw[place] = 0x7F  # the value's length
    install(LIBRARIES[library])
    found = list(LIBRARIES[library].MemoryRecords(bytes(raw)).next_batch())
    assert [(r.offset, r.value) for r in found] == [(0, b"first"), (1, bytes(raw)), (2, b"")]
    assert all(name == UNREADABLE and why for r in found[1:] for name, why in r.headers)


RECORDS = st.lists(
    st.tuples(
        st.none() | st.binary(max_size=200),
        st.none() | st.binary(max_size=200),
        st.lists(st.tuples(st.text(max_size=9), st.none() | st.binary(max_size=9)), max_size=3),
    ),
    min_size=1,
    max_size=6,
)


@given(records=RECORDS, codec=st.sampled_from(sorted(CODECS.values())))
def test_it_reads_what_the_libraries_read(records: list[Any], codec: int) -> None:
    found = [(r.key, r.value, r.headers) for r in records_of(batch(records, codec))]
    assert found == records


@given(
    records=RECORDS,
    codec=st.sampled_from(sorted(CODECS.values())),
    place=st.integers(min_value=0),
    byte=st.binary(min_size=1, max_size=1),
)
def test_no_byte_inside_a_batch_stops_a_reader(records: list[Any], codec: int, place: int, byte: bytes) -> None:
    raw = bytearray(batch(records, codec))
    inside = 61 + place % max(1, len(raw) - 61)
    raw[inside : inside + 1] = byte
    for fetcher in LIBRARIES.values():
        install(fetcher)
        found = list(fetcher.MemoryRecords(bytes(raw)).next_batch())
        assert len(found) <= len(records)
