"""CSV rows as mentions: mapping, delimiters, encodings, and what is wrong with a row."""

import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.errors import InputError
from pipeline.sources.lines import read_lines
from pipeline.sources.table import Dialect, Table, check_encoding, parse_map
from schemas.events import EventError


def rows(data: bytes, dialect: Dialect | None = None) -> Iterator[tuple[int, Any]]:
    lines = read_lines(io.BytesIO(data), limit=1 << 20)
    table = Table(next(lines), dialect or Dialect())
    for row in table.rows(lines):
        event = row.event
        told = (event.reason, str(event)) if isinstance(event, EventError) else json.loads(event or "0")
        yield row.first.number, told


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiter_is_found_by_the_header(mark: str) -> None:
    data = mark.join(["id", "text", "published_at"]) + "\n" + mark.join(["7", "hi", "2026-01-01T00:00:00Z"]) + "\n"
    assert list(rows(data.encode())) == [(2, {"id": "7", "text": "hi", "published_at": "2026-01-01T00:00:00Z"})]


def test_columns_are_mapped_and_unknown_ones_ignored() -> None:
    data = b'\xef\xbb\xbfbody;created;likes\n"a; ""b""\nc";2026-01-01 10:00;5\n'
    dialect = Dialect(parse_map("text=body, published_at=created,reach=likes"), timezone=ZoneInfo("Europe/Lisbon"))
    assert list(rows(data, dialect)) == [(2, {"text": 'a; "b"\nc', "published_at": "2026-01-01T10:00:00Z", "reach": 5})]


def test_each_bad_row_has_its_line_and_reason_and_the_next_is_read() -> None:
    good = b"fine,2026-01-01T00:00:00Z,1\n"
    data = (
        b"text,published_at,reach\n"
        + good
        + b"caf\xe9,2026-01-01T00:00:00Z,1\n"  # line 3: latin-1
        + b"short,2026-01-01T00:00:00Z\n"
        + b"x,yesterday,1\n"
        + b"x,2026-01-01T00:00:00,1\n"
        + b"x,2026-01-01T00:00:00Z,many\n"
        + b'"x"y,2026-01-01T00:00:00Z,1\n'
        + b"\n"
        + good
    )
    found = [
        (line, event[0]) if isinstance(event, tuple) else (line, "ok" if event else "blank")
        for line, event in rows(data)
    ]
    assert found == [
        (2, "ok"),
        (3, "not_utf8"),
        (4, "bad_csv"),
        (5, "invalid"),
        (6, "invalid"),
        (7, "invalid"),
        (8, "bad_csv"),
        (9, "blank"),
        (10, "ok"),
    ]


def test_a_bad_byte_names_the_physical_line() -> None:
    found = dict(rows(b'text,published_at\n"one\ntw\xff\nthree",2026-01-01T00:00:00Z\n'))
    assert found[2][0] == "not_utf8"
    assert "line 3" in found[2][1]


def test_a_quote_that_never_closes_is_an_error_not_a_mention() -> None:
    found = list(rows(b'text,published_at\n"open,2026-01-01T00:00:00Z\nnext,2026-01-01T00:00:00Z\n'))
    assert [(line, event[0]) for line, event in found] == [(2, "bad_csv")]


def test_other_encodings() -> None:
    data = "text,published_at\nこんにちは,2026-01-01T00:00:00Z\n".encode("shift_jis")
    ((_, event),) = rows(data, Dialect(encoding=check_encoding("shift_jis")))
    assert event["text"] == "こんにちは"


@pytest.mark.parametrize(
    ("header", "dialect", "says"),
    [
        ("a,b", Dialect(), "no column for text and published_at"),
        ("text,when", Dialect(), "no column for published_at"),
        ("text,published_at", Dialect({"author": "who"}), "column 'who' .* is not in the header"),
        ("text,text,published_at", Dialect(), "is twice"),
    ],
)
def test_a_header_without_what_is_needed(header: str, dialect: Dialect, says: str) -> None:
    with pytest.raises(InputError, match=says):
        list(rows(header.encode() + b"\n", dialect))


def test_utf16_is_named() -> None:
    with pytest.raises(InputError, match="iconv"):
        list(rows("text,published_at\n".encode("utf-16")))
    with pytest.raises(InputError, match="iconv"):
        check_encoding("utf-16")
    with pytest.raises(InputError, match="not known"):
        check_encoding("klingon")


@pytest.mark.parametrize("text", ["text", "text=", "body=text"])
def test_a_wrong_map_is_explained(text: str) -> None:
    with pytest.raises(InputError, match="--map"):
        parse_map(text)


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29T00:59:59Z"),
        ("Europe/Berlin", "2026-03-29 02:30:00", None),  # clocks go from 02:00 to 03:00
        ("Europe/Berlin", "2026-03-29 03:00:00", "2026-03-29T01:00:00Z"),
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),  # twice: the first one
        ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25T02:00:00Z"),
        ("America/New_York", "2026-03-08 02:00:00", None),
        ("America/New_York", "2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),
        ("Australia/Lord_Howe", "2026-10-04 02:15:00", None),  # by half an hour
        ("Australia/Lord_Howe", "2026-10-04 02:30:00", "2026-10-03T15:30:00Z"),
        ("Asia/Kathmandu", "2024-02-29 00:15:00", "2024-02-28T18:30:00Z"),
        ("Pacific/Apia", "2011-12-30 12:00:00", None),  # a day that Samoa left out
    ],
)
def test_local_times_on_days_when_clocks_change(zone: str, local: str, utc: str | None) -> None:
    data = f"text,published_at\nx,{local}\n".encode()
    [(_, event)] = rows(data, Dialect(timezone=ZoneInfo(zone)))
    if utc is None:
        assert event[0] == "invalid"
        assert "never was in" in event[1]
    else:
        told = datetime.fromisoformat(event["published_at"])
        assert told == datetime.fromisoformat(utc)


@pytest.mark.parametrize("local", ["0001-01-01 00:00:00", "9999-12-31 23:59:59"])
def test_the_first_and_last_local_times_are_left_to_the_bounds(local: str) -> None:
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        [(_, event)] = rows(f"text,published_at\nx,{local}\n".encode(), Dialect(timezone=ZoneInfo(zone)))
        assert isinstance(event, dict)
