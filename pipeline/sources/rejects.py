"""What an ingest could not take: each line with its number, its reason and its bytes, in a file and on the terminal."""

import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from pipeline.errors import InputError
from pipeline.terminal import printable
from schemas.events import EventError

SHOWN = 20
"""Rejects that go to the terminal too."""
RAW_BYTES = 4096
"""How much of a rejected line is kept."""


class Rejects:
    """Lists rejected lines in ``path`` as JSON Lines (line, last_line, reason, error, raw) and the first on stderr.

    ``keep`` bytes of an existing file are kept (those that a checkpoint vouches for), the rest is cut off; the file
    appears with the first reject. ``path`` None: the terminal only. Raises InputError when it cannot be written.
    """

    def __init__(self, path: Path | None, *, source: str, keep: int = 0) -> None:
        self._path, self._source = path, source
        self._file: BinaryIO | None = None
        self._shown = 0
        self.size = keep
        if path is not None and path.exists():
            with self._opened(path, "r+b") as file:
                file.truncate(keep)

    def add(self, line: int, last_line: int, error: EventError, raw: bytes) -> None:
        """One rejected line, or the lines of one rejected row."""
        if self._shown < SHOWN:
            print(f"{self._source}:{line}: {error.reason}: {printable(str(error), 400)}", file=sys.stderr)
        elif self._shown == SHOWN:
            rest = f"; all of them are in {self._path}" if self._path else ""
            print(f"{self._source}: more rejects follow that are not shown{rest}", file=sys.stderr)
        self._shown += 1
        if self._path is None:
            return
        if self._file is None:
            self._file = self._opened(self._path, "ab")
            # what somebody said, with a name perhaps: for the user's eyes
            self._path.chmod(0o600)
        entry = {
            "line": line,
            "last_line": last_line,
            "reason": error.reason,
            "error": str(error)[:2000],
            "raw": raw[:RAW_BYTES].decode("utf-8", "replace"),
        }
        data = msgspec.json.encode(entry) + b"\n"
        self._file.write(data)
        self.size += len(data)

    def flush(self) -> None:
        """Everything added is in the file."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Flush and close."""
        if self._file is not None:
            self._file.close()

    def _opened(self, path: Path, mode: str) -> BinaryIO:
        try:
            return path.open(mode)  # type: ignore[return-value]
        except OSError as error:
            raise InputError(
                f"{path}: {error.strerror or error}: use --rejects PATH for a place that can be written"
            ) from None
