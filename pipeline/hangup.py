"""A terminal that goes away: SIGHUP is a wish to stop like SIGTERM, and what is said afterwards breaks nothing."""

import contextlib
import errno
import io
import os
import signal
import stat
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE: Final = (errno.EIO, errno.EPIPE)
"""What writing answers when nobody is at the other end: of a terminal, of a pipe."""


def stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask a command to stop. SIGHUP is none where it is ignored: that is what `nohup` is for."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (signal.SIGHUP,)))


def outlive_terminal(words: Path | None = None) -> None:
    """From now on writing to standard output or error does not fail because the terminal, or the pipe, is gone.

    A command that drains would end by OSError in the middle of it, at the first line that it says. What cannot be
    written where it was meant is appended to ``words``, or dropped without one. Files are left alone: a write that
    fails there is worth an error. Doing it again changes nothing.
    """
    sys.stdout, sys.stderr = _lasting(sys.stdout, words), _lasting(sys.stderr, words)


def _lasting(stream: TextIO, words: Path | None) -> TextIO:
    if stream is None or isinstance(getattr(stream, "buffer", None), _Lasting):
        return stream
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):
        return stream  # closed, or no file at all
    if stat.S_ISREG(mode):
        return stream
    with contextlib.suppress(OSError):
        stream.flush()
    raw = _Lasting(descriptor, words)
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, line_buffering=True)


class _Lasting(io.RawIOBase):
    """A file descriptor that is pointed elsewhere when there is nobody to read it any more.

    The descriptor itself: whoever else writes to it, e.g. a logging handler that was made before, is served too. There
    is no buffer, whose lock a signal handler that says something could meet.
    """

    def __init__(self, descriptor: int, words: Path | None) -> None:
        self._descriptor = descriptor
        self._words = words
        self.name = f"<descriptor {descriptor}>"

    def write(self, data: "ReadableBuffer") -> int:
        """Write all of it. Raises OSError for whatever is not a reader that is gone."""
        view = memoryview(data).cast("B")
        written = 0
        while written < len(view):
            try:
                written += os.write(self._descriptor, view[written:])
            except OSError as error:
                if error.errno not in _GONE:
                    raise
                self._leave()
        return written

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """False, too, once the terminal is gone."""
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        """The descriptor."""
        return self._descriptor

    def _leave(self) -> None:
        elsewhere = self._open_words()
        try:
            os.dup2(elsewhere, self._descriptor)
        finally:
            os.close(elsewhere)

    def _open_words(self) -> int:
        if self._words is not None:
            with contextlib.suppress(OSError):
                self._words.parent.mkdir(parents=True, exist_ok=True)
                file = os.open(self._words, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                now = datetime.now(UTC).isoformat(timespec="seconds")
                os.write(file, f"--- {now}: nobody reads process {os.getpid()} any more; it goes on here\n".encode())
                return file
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
