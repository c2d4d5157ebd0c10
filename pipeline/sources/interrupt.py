"""Ctrl-C and SIGTERM where they do no harm: between two rows, or while waiting for input. The second one at once."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self


class StopNow(KeyboardInterrupt):
    """The second request: nothing is finished any more."""


class Interruptions:
    """While entered (main thread), a first signal sets ``requested`` and a second raises StopNow.

    An exception in the middle of a step would leave half of it done, e.g. a place in the file without its digest, so
    the first signal raises KeyboardInterrupt only inside :meth:`waiting`.
    """

    def __init__(self, notice: str) -> None:
        """``notice`` is printed to stderr when the first signal must wait."""
        self._notice = notice
        self._waiting = False
        self.requested = False

    def check(self) -> None:
        """Raise KeyboardInterrupt when a stop was requested."""
        if self.requested:
            raise KeyboardInterrupt

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Inside, nothing is lost by stopping: a request raises KeyboardInterrupt right away."""
        self._waiting = True
        try:
            self.check()
            yield
        finally:
            self._waiting = False

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: object) -> None:
        if self.requested:
            raise StopNow
        self.requested = True
        if self._waiting:
            raise KeyboardInterrupt
        print(f"\n{self._notice}", file=sys.stderr)
