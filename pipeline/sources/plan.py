"""One input of ``ingest`` or ``backfill``: what is read and how, where its files are kept, and its rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, Literal

from pipeline.errors import InputError
from pipeline.kafka.topics import MAX_MESSAGE_BYTES
from pipeline.sources import checkpoint as checkpoints
from pipeline.sources.lines import Line, read_lines
from pipeline.sources.table import Dialect, Row, Table
from schemas.events import EventError

Format = Literal["jsonl", "csv"]
BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Plan:
    """What is read, and how."""

    name: str
    """For messages: the path as given, or ``-``."""
    format: Format
    source: str
    """For lines that name none."""
    dialect: Dialect = field(default_factory=Dialect)
    state: Path | None = None
    """Where the checkpoint is kept; None: not resumable."""
    rejects: Path | None = None
    out_of_range: Path | None = None
    """Where ``backfill`` lists the rows that it refuses for their time."""
    restart: bool = False
    incarnation: str = ""
    """Of the broker that the messages go to."""
    entrance: str = "ingest"
    """Which command sends, for the metrics."""

    def options(self) -> str:
        """Digest of what decides the meaning (and thereby the id) of a line."""
        d = self.dialect
        parts = (self.format, self.source, sorted(d.columns.items()), d.delimiter, d.encoding, str(d.timezone))
        return checkpoints.digest(repr(parts).encode())


def sniff_format(name: str, head: bytes) -> Format:
    """Format by the name's ending, else by the first bytes. Raises InputError for a JSON array."""
    stem = name.lower().removesuffix(".gz")
    if stem.endswith((".csv", ".tsv")):
        return "csv"
    first = head.removeprefix(BOM).lstrip()[:1]
    if first == b"[":
        raise InputError(f"{name} is one JSON array, not JSON Lines: jq -c '.[]' {name} makes lines of it")
    return "jsonl" if stem.endswith((".jsonl", ".ndjson", ".json")) or first in (b"{", b"") else "csv"


def read_header(plan: Plan, stream: BinaryIO) -> tuple[Line | None, Table | None]:
    """The first line and the table reader of a CSV; nothing is read of JSON Lines. Raises InputError."""
    if plan.format != "csv":
        return None, None
    header = next(read_lines(stream, limit=MAX_MESSAGE_BYTES), None)
    if header is None:
        raise InputError(f"{plan.name} is empty: a CSV begins with a line of column names")
    if header.too_long:
        raise InputError(f"{plan.name}: line 1 is too long for a line of column names")
    return header, Table(header, plan.dialect)


def json_rows(lines: Iterator[Line]) -> Iterator[Row]:
    """Each line as a row of its own."""
    for line in lines:
        data = line.data.removeprefix(BOM) if line.number == 1 else line.data
        event: bytes | EventError = data.strip()
        if line.too_long:
            event = EventError("too_large", f"{line.end - line.start} bytes; at most {MAX_MESSAGE_BYTES} are accepted")
        yield Row(line, line, event, data, finished=line.terminated)
