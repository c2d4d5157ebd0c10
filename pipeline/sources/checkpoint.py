"""How far a file is ingested: a small file beside it, written only after Kafka confirmed everything before it."""

import hashlib
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from pipeline.durable import replace_bytes
from pipeline.errors import InputError
from pipeline.sources.lines import TAIL_BYTES, Line
from pipeline.sources.place import unwritable

HEAD_BYTES = 4096
Outcome = Literal["accepted", "rejected", "blank"]


class LastRow(msgspec.Struct, kw_only=True, frozen=True):
    """What is undone when a last row that was not finished has grown, and is read again."""

    start: int
    """Byte at which it begins ..."""
    line: int
    """... and lines before it: a row of CSV may have several."""
    outcome: Outcome
    """Where it was counted."""
    rejects_bytes: int
    """Size of the rejects file before it."""


class Checkpoint(msgspec.Struct, kw_only=True):
    """Everything before ``position`` is in Kafka or listed as rejected."""

    version: int = 1
    position: int = 0
    """Byte in the unpacked stream at which to go on."""
    line: int = 0
    """Lines before it."""
    last_start: int = 0
    """Where the last of those lines begins."""
    terminated: bool = True
    """Whether that line had its line feed, and left no quote open."""
    last_row: LastRow | None = None
    """The row that ends there, where it was not finished; None also in checkpoints of before this was kept."""
    head: str = ""
    """Digest of the first bytes (up to ``position``, at most HEAD_BYTES) ..."""
    tail: str = ""
    """... and of the last ones before ``position``: a file that grew is the same file, a rewritten one is not."""
    options: str = ""
    """The options that decide what a line means; under others the lines before would be other mentions."""
    incarnation: str = ""
    """The broker that has the messages: an embedded one forgets them when it stops."""
    accepted: int = 0
    rejected: int = 0
    blank: int = 0
    rejects_bytes: int = 0
    """Size of the rejects file at this point: what a killed run wrote after it is cut off."""

    def advance(self, line: Line, row: LastRow | None = None, *, finished: bool = True) -> None:
        """Move behind ``line``, which ends ``row`` (None: a header), and count that; not ``finished``: it may grow."""
        self.position, self.line = line.end, line.number
        self.last_start, self.terminated = line.start, line.terminated and finished
        self.tail = digest(line.tail)
        self.last_row = None if self.terminated else row
        if row is not None:
            self._count(row.outcome, 1)

    def seal(self, head: bytes) -> None:
        """Set the digest of the beginning; ``head`` are the file's first bytes (HEAD_BYTES where there are so many)."""
        self.head = digest(head[: min(HEAD_BYTES, self.position)])

    def mismatch(self, stream: BinaryIO) -> str | None:
        """None when ``stream`` (at its start) is the file that this describes, now positioned to go on; else why not.

        A last row that was not finished and has grown since is taken back: it is read again from its beginning.
        """
        if digest(stream.read(min(HEAD_BYTES, self.position))) != self.head:
            return "its beginning has changed"
        tail_at = max(self.last_start, self.position - TAIL_BYTES)
        stream.seek(tail_at)
        if digest(stream.read(self.position - tail_at)) != self.tail:
            return "what was read of it has changed"
        if not self.terminated and stream.read(1):
            self._take_back(stream)
        stream.seek(self.position)
        return None

    def _take_back(self, stream: BinaryIO) -> None:
        row = self.last_row
        if row is None:
            self.position, self.line = self.last_start, self.line - 1
        else:
            self.position, self.line, self.rejects_bytes = row.start, row.line, row.rejects_bytes
            self._count(row.outcome, -1)
        # A run that is stopped before it has read the row again saves this: it must describe the file up to here.
        self.last_start = max(0, self.position - TAIL_BYTES)
        stream.seek(self.last_start)
        self.tail = digest(stream.read(self.position - self.last_start))
        self.terminated, self.last_row = True, None

    def _count(self, outcome: Outcome, by: int) -> None:
        setattr(self, outcome, getattr(self, outcome) + by)


def digest(data: bytes) -> str:
    """Short digest of ``data``."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def load(path: Path) -> Checkpoint | None:
    """The checkpoint at ``path``, or None. Raises InputError when it is not readable as one."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    try:
        found = msgspec.json.decode(data, type=Checkpoint)
    except msgspec.DecodeError as error:
        raise InputError(f"{path} is not a checkpoint of ingest ({error}): remove it, or use --restart") from None
    if found.version != 1:
        raise InputError(f"{path} was written by a newer babelwatch: use --restart to ingest the file from the start")
    return found


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the checkpoint at once and durably: a crash leaves the old one or the new one. Raises InputError."""
    try:
        replace_bytes(path, msgspec.json.format(msgspec.json.encode(checkpoint), indent=1) + b"\n")
    except OSError as error:
        raise unwritable(path, error) from None
