"""CSV rows as mentions: mapping, delimiters, encodings, and what is wrong with a row."""

import io
import json
from collections.abc import Iterator
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
        yield row.first_line, (event.reason, str(event)) if isinstance(event, EventError) else json.loads(event or "0")


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
