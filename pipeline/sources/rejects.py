"""What an ingest could not take: each line with its number, its reason and its bytes, in a file and on the terminal."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from pipeline.sources.place import unwritable
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

    ``size`` is that of the file in bytes, 0 without one.
    """

    def __init__(self, path: Path | None, *, source: str, keep: int = 0) -> None:
        self._path, self._source = path, source
        self._file: BinaryIO | None = None
        self._shown = 0
        self.size = 0
        if path is not None:
            self.size = self._cut(path, keep)

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
            self._file = self._opened(self._path)
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

    def _cut(self, path: Path, keep: int) -> int:
        """Cut ``path`` to at most ``keep`` bytes; return how many it has then."""
        try:
            with path.open("r+b") as file:
                size = file.seek(0, os.SEEK_END)
                if size > keep:
                    file.truncate(keep)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise unwritable(path, error) from None
        # smaller: it was moved away, or edited, since the checkpoint; truncating would pad it with NUL
        return min(keep, size)

    def _opened(self, path: Path) -> BinaryIO:
        try:
            file = path.open("ab")
            if path.is_file():
                # what somebody said, with a name perhaps: for the user's eyes; a device stays as it is
                path.chmod(0o600)
        except OSError as error:
            raise unwritable(path, error) from None
        return file
