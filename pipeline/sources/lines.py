"""Lines of a file or stream in constant memory, each with its place, so that reading can go on where it stopped."""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.errors import InputError

GZIP_MAGIC = b"\x1f\x8b"
TAIL_BYTES = 4096


@dataclass(frozen=True)
class Line:
    """One line without its end of line. ``start`` and ``end`` are byte places in the (unpacked) stream."""

    number: int
    """From 1."""
    start: int
    end: int
    """Where the next line starts."""
    data: bytes
    """Empty when ``too_long``."""
    too_long: bool
    terminated: bool
    """False only for a last line without a line feed: a writer may be about to go on with it."""
    tail: bytes
    """The last bytes of the line as read, at most TAIL_BYTES: what a checkpoint compares."""


def open_input(path: Path) -> tuple[BinaryIO, BinaryIO]:
    """Open ``path`` as (unpacked stream, file as it is on disk); gzip is told by its content, not its name.

    Raises InputError that says what is wrong with the path.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    if path.is_dir():
        raise InputError(f"{path}: is a folder")
    return unpacked(file), cast("BinaryIO", file)


def check_seekable(file: BinaryIO, name: str, advice: str) -> None:
    """Raise InputError, ending with ``advice``, for what can be read only once: a pipe, as `<(...)` gives one."""
    if not file.seekable():
        raise InputError(f"{name} is not a file that can be read again from its start: {advice}")


def unpacked(file: io.BufferedReader) -> BinaryIO:
    """``file`` itself, or a gzip reader over it when its first bytes are gzip's."""
    if file.peek(2)[:2] == GZIP_MAGIC:
        return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))
    return cast("BinaryIO", file)


def read_lines(stream: BinaryIO, *, limit: int, start: int = 0, number: int = 0) -> Iterator[Line]:
    """Yield the lines from the stream's position on, which is byte ``start``, after line ``number``.

    A line of more than ``limit`` bytes comes without its data (``too_long``) and costs no more memory than that. One
    without a line feed is the last: what a writer adds to it meanwhile is the rest of that line, not the next one.
    Raises InputError when the gzip data is damaged; what came before it was yielded.
    """
    at = start
    while True:
        try:
            raw = stream.readline(limit + 1)
            if not raw:
                return
            size, tail, too_long = len(raw), raw[-TAIL_BYTES:], False
            while not raw.endswith(b"\n") and size > limit:
                too_long = True
                raw = stream.readline(1 << 16)
                if not raw:
                    break
                size += len(raw)
                tail = (tail + raw)[-TAIL_BYTES:]
        except (OSError, EOFError) as error:
            # gzip raises EOFError when cut off, BadGzipFile (an OSError) and zlib.error when damaged
            raise InputError(f"line {number + 1}: the input cannot be read on: {error}") from None
        except Exception as error:
            if type(error).__module__ == "zlib":
                raise InputError(f"line {number + 1}: the gzip data is damaged: {error}") from None
            raise
        number += 1
        data = b"" if too_long else raw.rstrip(b"\r\n")
        line = Line(number, at, at + size, data, too_long, tail.endswith(b"\n"), tail)
        yield line
        if not line.terminated:
            return
        at = line.end
