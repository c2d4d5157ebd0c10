"""Rows of a CSV table as mentions: which column is which field, which delimiter, which encoding."""

import codecs
import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import msgspec

from pipeline.errors import InputError
from pipeline.sources.lines import Line
from schemas.events import EventError, Mention

DELIMITERS = ",;\t|"
FIELDS = tuple(name for name in Mention.__struct_fields__ if name not in ("type", "version"))
_NUMBERS = ("reach", "revision")
MAX_FIELD_CHARS = 1 << 20


@dataclass(frozen=True)
class Dialect:
    """How the table is written. ``columns`` maps a field of the mention to a column of the file."""

    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    """None: the one of ``, ; tab |`` that gives the header the most columns."""
    encoding: str = "utf-8"
    timezone: tzinfo | None = None
    """Of times without an offset; None refuses them."""


@dataclass(frozen=True)
class Row:
    """One row: the first and the last line that it covers, and its event or why there is none."""

    first: Line
    last: Line
    event: bytes | EventError
    raw: bytes
    finished: bool
    """False for the last row of an input that ends without a line feed or within quotes: it may be half-written."""


def parse_map(text: str) -> dict[str, str]:
    """``text=body,published_at=created`` as field -> column. Raises InputError that names the unknown field."""
    columns: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, column = part.partition("=")
        if not equals or not column.strip():
            raise InputError(f"--map {part!r}: write FIELD=COLUMN, e.g. text=body,published_at=created")
        if name.strip() not in FIELDS:
            raise InputError(f"--map {part!r}: {name.strip()!r} is no field of a mention; they are {', '.join(FIELDS)}")
        columns[name.strip()] = column.strip()
    return columns


def check_encoding(name: str) -> str:
    """``name`` if lines can be told apart in it byte by byte. Raises InputError."""
    try:
        codec = codecs.lookup(name).name
        plain = '\n\r,"a'.encode(codec) == b'\n\r,"a'
    except (LookupError, UnicodeError):
        raise InputError(f"--encoding {name!r} is not known") from None
    if not plain:
        raise InputError(f"--encoding {name}: convert the file to UTF-8 first: iconv -f {name} -t UTF-8 FILE")
    return codec


class Table:
    """Reads the header once, then rows. Raises InputError when the header lacks what a mention needs."""

    def __init__(self, header: Line, dialect: Dialect) -> None:
        if header.data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise InputError("line 1: the file is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8 FILE")
        try:
            text = header.data.removeprefix(codecs.BOM_UTF8).decode(dialect.encoding)
        except UnicodeDecodeError as error:
            raise InputError(f"line 1: the header is not {dialect.encoding}: {error}; give --encoding") from None
        self._dialect = dialect
        self.delimiter = dialect.delimiter or _sniff(text)
        names = [name.strip() for name in next(csv.reader([text], delimiter=self.delimiter), [])]
        self._width = len(names)
        self._places = self._locate(names)

    def _locate(self, names: list[str]) -> dict[str, int]:
        """Field -> column number; a column named like a field needs no mapping."""
        columns = {name: name for name in FIELDS if name in names} | dict(self._dialect.columns)
        for name, column in columns.items():
            if names.count(column) != 1:
                what = "is twice" if column in names else "is not"
                raise InputError(
                    f"line 1: column {column!r} (for {name}) {what} in the header: {', '.join(names)[:500]}"
                )
        missing = [name for name in ("text", "published_at") if name not in columns]
        if missing:
            raise InputError(
                f"line 1: no column for {' and '.join(missing)}; name it, e.g. --map text=body,published_at=created. "
                f"The header has: {', '.join(names)[:500]}"
            )
        return {name: names.index(column) for name, column in columns.items()}

    def rows(self, lines: Iterable[Line]) -> Iterator[Row]:
        """Yield every row of ``lines`` (those after the header); a quoted field may hold line feeds."""
        feed = _Feed(lines, self._dialect.encoding)
        # strict: a quote in the wrong place is an error here, not a row that swallows the rest of the file
        reader = csv.reader(feed, delimiter=self.delimiter, strict=True)
        csv.field_size_limit(MAX_FIELD_CHARS)
        while True:
            feed.begin()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield feed.row(EventError("bad_csv", f"not a row of CSV: {error}"))
            else:
                yield feed.row(self._event(values, feed.problem))

    def _event(self, values: list[str], problem: EventError | None) -> bytes | EventError:
        if problem is not None:
            return problem
        if not values:
            return b""
        if len(values) != self._width:
            return EventError("bad_csv", f"{len(values)} columns where the header has {self._width}")
        fields: dict[str, object] = {}
        try:
            for name, place in self._places.items():
                value = values[place] if name == "text" else values[place].strip()
                if value:
                    fields[name] = self._convert(name, value)
        except EventError as error:
            return error
        return msgspec.json.encode(fields)

    def _convert(self, name: str, value: str) -> object:
        if name in _NUMBERS:
            try:
                return int(value)
            except ValueError:
                raise EventError("invalid", f"{name} {value[:40]!r} is not a whole number") from None
        if name != "published_at":
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise EventError(
                "invalid", f"published_at {value[:40]!r} is not a time like 2026-01-31T12:00:00+02:00"
            ) from None
        if moment.tzinfo is None:
            if self._dialect.timezone is None:
                raise EventError("invalid", f"published_at {value[:40]!r} has no offset: give --timezone, e.g. UTC")
            moment = _local(moment, self._dialect.timezone)
        return moment


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """``moment``, a local time without an offset, in ``zone``.

    A time that comes twice, when clocks are set back, is the first one: nothing in it says which. A time that never
    was, when they are set forward, raises EventError: it is not from this zone, and moving it would be a guess.
    """
    there = moment.replace(tzinfo=zone)
    try:
        exists = there.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == moment
    except OverflowError:  # in year 1 or 9999; the bounds refuse it
        exists = True
    if not exists:
        raise EventError(
            "invalid",
            f"published_at {moment.isoformat(' ')} never was in {zone}: clocks were set forward over it; is --timezone "
            "right?",
        )
    return there


class _Feed:
    """Hands decoded lines to the csv module and remembers which ones the row in progress has taken."""

    def __init__(self, lines: Iterable[Line], encoding: str) -> None:
        self._lines = iter(lines)
        self._encoding = encoding
        self.begin()

    def begin(self) -> None:
        """A new row starts."""
        self.first: Line | None = None
        self.last: Line | None = None
        self.raw: list[bytes] = []
        self.problem: EventError | None = None
        self.ended = False
        """Whether the row wanted another line and there was none."""

    def row(self, event: bytes | EventError) -> Row:
        """The row that the lines since :meth:`begin` make up."""
        assert self.first is not None  # noqa: S101 - a row comes from lines
        assert self.last is not None  # noqa: S101
        finished = self.last.terminated and not self.ended
        return Row(self.first, self.last, event, b"\n".join(self.raw), finished)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines, None)
        if line is None:
            self.ended = True
            raise StopIteration
        self.first = self.first or line
        self.last = line
        self.raw.append(line.data)
        if line.too_long:
            self.problem = EventError("too_large", f"line {line.number} has {line.end - line.start} bytes")
            return "\n"
        try:
            return line.data.decode(self._encoding) + "\n"
        except UnicodeDecodeError as error:
            self.problem = EventError(
                "not_utf8" if self._encoding == "utf-8" else "bad_encoding",
                f"line {line.number} is not {self._encoding}: {error}; give --encoding, or convert the file",
            )
            return line.data.decode(self._encoding, "replace") + "\n"


def _sniff(header: str) -> str:
    return max(DELIMITERS, key=lambda d: len(next(csv.reader([header], delimiter=d), [])))
