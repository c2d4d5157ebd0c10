"""Lines of text and JSONL: records, rejects, and bounded memory."""

from collections.abc import Iterator

import pytest

from pipeline.sentiment.lines import MAX_LINE_BYTES, LineReader, Record, Reject, split_lines


def chunked(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("data", [b"a\nbb\n\nccc\n", b"a\nbb\n\nccc", b"\n\n", b"", "é\n日本\n".encode()])
def test_lines_do_not_depend_on_how_bytes_arrive(data: bytes, size: int) -> None:
    found = [line for lines in split_lines(chunked(data, size)) for line in lines]
    assert found == data.removesuffix(b"\n").split(b"\n") if data else found == []


def test_what_arrived_is_handed_on_before_more_is_read() -> None:
    taken = []

    def source() -> Iterator[bytes]:
        for chunk in (b"one\ntw", b"o\n"):
            taken.append(chunk)
            yield chunk

    assert next(split_lines(source())) == [b"one"]
    assert taken == [b"one\ntw"]


@pytest.mark.parametrize("size", [1 << 16, 1 << 22])
def test_a_line_without_end_is_rejected_and_the_next_one_is_not(size: int) -> None:
    data = b"ok\n" + b"x" * (3 * MAX_LINE_BYTES) + b"\nfine\n"
    assert [line for lines in split_lines(chunked(data, size)) for line in lines] == [b"ok", None, b"fine"]


def test_a_last_line_without_end_that_is_too_long() -> None:
    data = b"ok\n" + b"x" * (2 * MAX_LINE_BYTES)
    assert [line for lines in split_lines(chunked(data, 1 << 16)) for line in lines] == [b"ok", None]


def read(*lines: bytes | None, line_format: str = "auto", limit: int = 100) -> list[Record | Reject | None]:
    reader = LineReader(line_format, limit)  # type: ignore[arg-type]
    return [reader.read(line) for line in lines]


def test_text_lines_are_numbered() -> None:
    assert read(b"first", b"  ", b"third\r") == [Record(1, "1", "first"), None, Record(3, "3", "third")]


def test_jsonl_keeps_ids_as_they_are() -> None:
    lines = [b'{"id": "a", "text": "x", "extra": [1]}', b'{"id": 7, "text": "y"}', b'{"text": "z", "lang_hint": "hi"}']
    assert read(*lines) == [Record(1, "a", "x"), Record(2, 7, "y"), Record(3, "3", "z", "hi")]


def test_a_byte_order_mark_is_not_text() -> None:
    assert read(b'\xef\xbb\xbf{"text": "x"}') == [Record(1, "1", "x")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "x"', "not JSON"),
        (b"{" * 20_000, "not JSON"),
        (b'{"text": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "not"),
        (b'{"id": "a"}', "text"),
        (b'{"text": 5}', "text"),
        (b'{"text": "x", "id": [1]}', "id"),
        (b'{"text": "  "}', "empty"),
        (b'{"text": "\\ud800"}', "not JSON"),
        (b'{"text": NaN}', "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"text": "' + b"x" * 101 + b'"}', "BABELWATCH_MAX_TEXT_CHARS"),
        (None, "longer than"),
        (b"plain text", "not JSON"),
    ],
)
def test_bad_lines_say_why(line: bytes | None, reason: str) -> None:
    (found,) = read(line, line_format="jsonl")
    assert isinstance(found, Reject)
    assert found.line == 1
    assert reason in found.reason


def test_the_first_line_decides_for_all() -> None:
    assert isinstance(read(b'{"text": "x"}', b"plain")[1], Reject)
    assert read(b"plain", b'{"text": "x"}')[1] == Record(2, "2", '{"text": "x"}')
    assert isinstance(read(b'{"text": broken', b'{"text": "x"}')[0], Reject)


def test_text_may_be_asked_for() -> None:
    assert read(b'{"text": "x"}', line_format="text") == [Record(1, "1", '{"text": "x"}')]
