"""Lines of text or JSONL as records, one at a time and in bounded memory. Pure: bytes in, records and rejects out."""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec
from msgspec import Struct

MAX_LINE_BYTES: Final = 1 << 20
"""A longer line is rejected without being kept: a file without line ends must not fill the memory."""

Format = Literal["auto", "text", "jsonl"]


class Record(Struct, frozen=True):
    """One text to judge. ``id`` is the input's own, or the line number."""

    line: int
    id: str | int
    text: str
    lang_hint: str | None = None


class Reject(Struct, frozen=True):
    """A line that cannot be judged, and why."""

    line: int
    reason: str


class _Input(Struct):
    text: str
    id: str | int | None = None
    lang_hint: str | None = None


_decoder: Final = msgspec.json.Decoder(_Input)


def split_lines(chunks: Iterable[bytes]) -> Iterator[list[bytes | None]]:
    """Yield the complete lines of each chunk, without their ends; None stands for a line over the limit.

    One list per chunk (it may be empty), so that whatever has arrived can be judged without waiting for more.
    """
    rest = b""
    too_long = False
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        lines: list[bytes | None] = [*complete]
        if too_long and lines:
            lines[0] = None
            too_long = False
        if len(rest) > MAX_LINE_BYTES:
            rest, too_long = b"", True
        yield [None if line is None or len(line) > MAX_LINE_BYTES else line for line in lines]
    if too_long:
        yield [None]
    elif rest:
        yield [rest]


class LineReader:
    """Turns lines into records. With ``auto`` the first line that is not blank decides for all of them."""

    def __init__(self, line_format: Format, max_text_chars: int) -> None:
        self._jsonl = None if line_format == "auto" else line_format == "jsonl"
        self._max_chars = max_text_chars
        self.lines = 0
        self.blank = 0

    def read(self, raw: bytes | None) -> Record | Reject | None:
        """The record of the next line, why it has none, or None for a blank line (counted in ``blank``)."""
        self.lines += 1
        if raw is None:
            return Reject(self.lines, f"longer than {MAX_LINE_BYTES:,} bytes")
        if self.lines == 1:
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        raw = raw.removesuffix(b"\r")
        if not raw.strip():
            self.blank += 1
            return None
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            return Reject(self.lines, f"not UTF-8 (byte {error.start + 1})")
        if self._jsonl is None:
            self._jsonl = _looks_like_json(line)
        return self._checked(line) if self._jsonl else self._bounded(Record(self.lines, str(self.lines), line))

    def _checked(self, line: str) -> Record | Reject:
        try:
            found = _decoder.decode(line)
        except msgspec.ValidationError as error:
            return Reject(self.lines, f"not a record with a text: {error}")
        except (msgspec.DecodeError, RecursionError) as error:
            return Reject(self.lines, f"not JSON: {error}")
        identity = str(self.lines) if found.id is None else found.id
        return self._bounded(Record(self.lines, identity, found.text, found.lang_hint))

    def _bounded(self, record: Record) -> Record | Reject:
        if not record.text.strip():
            return Reject(self.lines, "the text is empty")
        if len(record.text) > self._max_chars:
            return Reject(
                self.lines,
                f"the text has {len(record.text):,} characters, more than BABELWATCH_MAX_TEXT_CHARS = "
                f"{self._max_chars:,}",
            )
        return record


def _looks_like_json(line: str) -> bool:
    """A first line with a brace is JSONL even when it is broken: guessing text would judge the JSON itself."""
    return line.lstrip().startswith("{")
