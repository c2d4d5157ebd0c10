"""Ctrl-C and SIGTERM for commands that run a stack: once in order, twice by force."""

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from pipeline.stack import Stack

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
FORCED: Final = 130
"""Exit code of a stop by force."""


class StopSignals:
    """While it is entered, both signals raise KeyboardInterrupt; after :meth:`gentle` the first one sets :attr:`stop`.

    Raising suits a start: whatever waits is left at once, and the start undoes itself.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._gentle = False
        self._before: dict[signal.Signals, object] = {}

    def gentle(self) -> None:
        """From now on the first signal is a wish: :attr:`stop` is set, and nothing is interrupted."""
        self._gentle = True

    def ignore(self) -> None:
        """From now on no signal disturbs: for the last moments of a forced stop."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._received) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _received(self, _number: int, _frame: FrameType | None) -> None:
        if not self._gentle or self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()


def stop(stack: "Stack", signals: StopSignals) -> None:
    """Stop ``stack`` in order; another signal meanwhile ends everything by force, and the command with it."""
    try:
        stack.stop()
    except KeyboardInterrupt:  # stack.stop() has ended everything by force
        signals.ignore()
        raise SystemExit(FORCED) from None
