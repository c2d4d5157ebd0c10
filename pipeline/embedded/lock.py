"""One stack per data folder: a lock that the kernel frees, and that says who holds it.

The file lock (flock) decides, and dies with its holder however that ends; pid and start time in the file name the
holder, and tell a stale file from a live one where a file system does not support flock.
"""

import contextlib
import fcntl
import json
import logging
import os
from pathlib import Path
from typing import Any, Final

from pipeline.embedded.processes import identity, is_running
from pipeline.errors import EmbeddedServiceError

log = logging.getLogger(__name__)

NAME: Final = "lock"


class FolderLock:
    """Exclusive use of a data folder, from :meth:`acquire` to :meth:`release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock; a stale one (its process is gone, or the pid is another process now) is taken over and logged.

        Raises EmbeddedServiceError when a living process holds it, naming the process, or when the folder cannot be
        written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._open_locked()
        except OSError as error:
            raise EmbeddedServiceError(_not_writable(self._path.parent, error)) from None
        try:
            holder = _read(file)
            if holder is not None and is_running(*holder):
                raise _held(self._path.parent, holder[0])
            if holder is not None:
                log.warning("%s was left behind by process %d, which is gone: taken over", self._path, holder[0])
            os.ftruncate(file, 0)
            os.pwrite(file, json.dumps({"pid": os.getpid(), "identity": identity(os.getpid())}).encode(), 0)
        except OSError as error:
            os.close(file)
            raise EmbeddedServiceError(_not_writable(self._path.parent, error)) from None
        except BaseException:
            os.close(file)
            raise
        self._file = file

    @property
    def held(self) -> bool:
        """True from :meth:`acquire` to :meth:`release`."""
        return self._file is not None

    def release(self) -> None:
        """Remove the lock. Safe to call without one."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(self._file)
            self._file = None

    def _open_locked(self) -> int:
        while True:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read(file)
                os.close(file)
                raise _held(self._path.parent, holder[0] if holder else None) from None
            except OSError:
                return file  # no flock here: pid and start time have to do
            # The holder before us may have removed the file between our open and our lock.
            with contextlib.suppress(FileNotFoundError):
                if self._path.stat().st_ino == os.fstat(file).st_ino:
                    return file
            os.close(file)


def _read(file: int) -> tuple[int, str] | None:
    """Return pid and identity from a lock file, or None when there are none (a new file, or a crash while writing)."""
    try:
        content: Any = json.loads(os.pread(file, 4096, 0))
        return int(content["pid"]), str(content["identity"])
    except (ValueError, KeyError, TypeError):
        return None


def _held(folder: Path, pid: int | None) -> EmbeddedServiceError:
    who = f"process {pid}" if pid is not None else "another process"
    return EmbeddedServiceError(
        f"{who} already runs babelwatch with the data folder {folder.absolute()}: stop it (Ctrl-C there"
        f"{f', or kill {pid}' if pid is not None else ''}), or choose another folder with BABELWATCH_DATA_DIR"
    )


def _not_writable(folder: Path, error: OSError) -> str:
    return (
        f"the data folder {folder.absolute()} cannot be used ({error.strerror}: {error.filename or folder}): correct "
        "it, or choose another folder with BABELWATCH_DATA_DIR"
    )
