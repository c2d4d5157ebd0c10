"""Ctrl-C, SIGTERM and a terminal that goes away where they do no harm: between two rows, or while waiting for input.

The second one stops at once.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from pipeline.hangup import outlive_terminal, stop_signals


class StopNow(KeyboardInterrupt):
    """The second request: nothing is finished any more."""


class Interruptions:
    """While entered (main thread), a first signal sets ``requested`` and a second raises StopNow.

    An exception in the middle of a step would leave half of it done, e.g. a place in the file without its digest, so
    the first signal raises KeyboardInterrupt only inside :meth:`waiting`. A hangup (SIGHUP) is never the second one:
    it comes more than once when a terminal is closed, and nobody insists. From entering on, writing to a terminal that
    is gone fails no more.
    """

    def __init__(self, notice: str) -> None:
        """``notice`` is printed to stderr when the first signal must wait."""
        self._notice = notice
        self._waiting = False
        self._by_hand = False
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
        outlive_terminal()
        self._before = {number: signal.signal(number, self._on_signal) for number in stop_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _frame: object) -> None:
        hangup = number == signal.SIGHUP
        if self._by_hand and not hangup:
            raise StopNow
        self._by_hand = self._by_hand or not hangup
        if self.requested:
            return
        self.requested = True
        if self._waiting:
            raise KeyboardInterrupt
        print(f"\n{self._notice}", file=sys.stderr)
