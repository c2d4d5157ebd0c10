"""Reads record batches that the client libraries refuse though a broker took them.

Kafka promises of a header's name only that it is a string; a client in C writes whatever bytes it is given, and no
broker looks. Both libraries decode it strictly while they unpack a fetch, so one such record ends whoever reads its
partition, at every restart, for as long as the log keeps it. The same with a batch whose inside is malformed, where the
broker does not look inside (the embedded one). Here such a batch is unpacked once more, leniently: nothing is lost,
nothing stops.

The format is that of Kafka's documentation, "Message format", version 2.
"""

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from kafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from kafka.record.util import decode_varint

from pipeline.metrics import ODD_BATCHES

log = logging.getLogger(__name__)

UNREADABLE: Final = "babelwatch-unreadable"
"""Header of a record that stands for one that cannot be unpacked; its value says why."""

_HEAD: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH: Final = struct.Struct(">qi")
_MAGIC_AT: Final = 16
_CODECS: Final = {1: gzip_decode, 2: snappy_decode, 3: lz4_decode, 4: zstd_decode}
_NO_CODEC: Final = "UnsupportedCodecError"
"""Each library has its own of this name."""
_LOG_APPEND_TIME: Final = 0x08


@dataclass(frozen=True, slots=True)
class Record:
    """What both libraries make their ConsumerRecord of. ``timestamp`` is in milliseconds since 1970."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    checksum: None = None

    @property
    def size_in_bytes(self) -> int:
        """For statistics of kafka-python's."""
        return len(self.key or b"") + len(self.value or b"")

    def validate_crc(self) -> bool:
        """A record of version 2 has no checksum; its batch's was right."""
        return True


def records_of(raw: bytes) -> list[Record]:
    """Unpack a batch of version 2; bytes of a header's name that are no UTF-8 become ``\\xff``.

    Raises what unpacking bytes that are no batch raises: ValueError, IndexError, struct.error, a codec's own.
    """
    base, _, _, _, _, attributes, _, first, newest, _, _, _, count = _HEAD.unpack_from(raw)
    codec = attributes & 0x07
    data = bytearray(_CODECS[codec](raw[_HEAD.size :]) if codec else raw[_HEAD.size :])
    appended = int(bool(attributes & _LOG_APPEND_TIME))
    found = []
    at = 0
    for _ in range(count):
        length, at = decode_varint(data, at)
        end = at + length
        at += 1  # attributes of a record: none are in use
        later, at = decode_varint(data, at)
        delta, at = decode_varint(data, at)
        key, at = _nullable(data, at)
        value, at = _nullable(data, at)
        number, at = decode_varint(data, at)
        headers = []
        for _ in range(number):
            name, at = _nullable(data, at)
            content, at = _nullable(data, at)
            headers.append(((name or b"").decode("utf-8", "backslashreplace"), content))
        if at != end or at > len(data):
            raise ValueError(f"record {delta} ends at {at}, not at {end}")
        found.append(Record(base + delta, newest if appended else first + later, appended, key, value, headers))
    return found


def stand_ins(raw: bytes, given: int, error: Exception) -> list[Record]:
    """One record for each that cannot be unpacked, from number ``given`` on; the first one has the batch's bytes."""
    base, _, _, _, _, attributes, last, first, newest, _, _, _, count = _HEAD.unpack_from(raw)
    appended = int(bool(attributes & _LOG_APPEND_TIME))
    # A batch can claim to hold any number; more than it has bytes are not believed.
    numbers = range(given, min(max(count, 1), last + 1, len(raw)))
    why: list[tuple[str, bytes | None]] = [(UNREADABLE, f"{type(error).__name__}: {error}".encode()[:200])]
    return [
        Record(base + n, newest if appended else first, appended, None, raw if n == given else b"", why)
        for n in numbers
    ]


class _Batch:
    """A library's batch of version 2, with ``raw`` to fall back on."""

    def __init__(self, batch: Any, raw: bytes | memoryview) -> None:  # noqa: ANN401 - either library's
        self._batch = batch
        self._raw = raw

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        given = 0
        try:
            for record in self._batch:
                yield record
                given += 1
            return
        except (GeneratorExit, MemoryError):
            raise
        except Exception as error:
            if type(error).__name__ == _NO_CODEC and self._batch.compression_type in _CODECS:
                raise  # a library that is not installed is no fault of the batch
            odd = error
        yield from self._leniently(given, odd)

    def _leniently(self, given: int, odd: Exception) -> list[Any]:
        raw = bytes(self._raw)
        try:
            found = records_of(raw)[given:]
        except Exception as error:
            log.exception(
                "offsets %d on cannot be unpacked: each becomes a dead letter", self._batch.base_offset + given
            )
            ODD_BATCHES.labels("unreadable").inc()
            return stand_ins(raw, given, error)
        log.warning("a batch at offset %d was unpacked leniently: %r", self._batch.base_offset, odd)
        ODD_BATCHES.labels("lenient").inc()
        return found


class TolerantRecords:
    """In place of a library's ``MemoryRecords``: the same, and its batches fall back on :func:`records_of`."""

    def __init__(self, records: Any, raw: bytes | memoryview) -> None:  # noqa: ANN401 - either library's
        self._records = records
        self._raw = memoryview(raw)
        self._at = 0

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._records, name)

    def next_batch(self) -> Any:  # noqa: ANN401
        """The library's next batch; None where there is none."""
        batch = self._records.next_batch()
        if batch is None:
            return None
        begin = self._at
        self._at += _LENGTH.size + _LENGTH.unpack_from(self._raw, begin)[1]
        if self._raw[begin + _MAGIC_AT] < 2 or batch.is_control_batch:
            return batch
        return _Batch(batch, self._raw[begin : self._at])


def install(fetcher: ModuleType) -> None:
    """Let ``fetcher`` (aiokafka's or kafka-python's module of that name) read batches in this way."""
    strict = fetcher.MemoryRecords
    if getattr(strict, "tolerant", False):
        return

    def records(raw: bytes) -> TolerantRecords:
        return TolerantRecords(strict(raw), raw)

    records.tolerant = True  # type: ignore[attr-defined]
    fetcher.MemoryRecords = records  # type: ignore[attr-defined]


def _nullable(data: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(data, at)
    if length < 0:
        return None, at
    if at + length > len(data):
        raise ValueError(f"{length} bytes at {at} of {len(data)}")
    return bytes(data[at : at + length]), at + length
