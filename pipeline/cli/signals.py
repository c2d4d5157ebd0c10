"""Ctrl-C, SIGTERM and a terminal that goes away, for commands that run a stack: once in order, twice by force."""

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Final, Self

from pipeline.hangup import stop_signals

if TYPE_CHECKING:
    from pipeline.stack import Stack

FORCED: Final = 130
"""Exit code of a stop by force."""


class StopSignals:
    """While it is entered, a signal raises KeyboardInterrupt; after :meth:`gentle` the first one sets :attr:`stop`.

    Raising suits a start: whatever waits is left at once, and the start undoes itself. A hangup (SIGHUP) is a first
    wish and never a second one: it comes more than once when a terminal is closed (from the shell, from the kernel),
    and nobody is there who insists.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._gentle = False
        self._asked = False
        self._by_hand = False
        self._before: dict[signal.Signals, object] = {}

    def gentle(self) -> None:
        """From now on the first signal is a wish: :attr:`stop` is set, and nothing is interrupted."""
        self._gentle = True

    def ignore(self) -> None:
        """From now on no signal disturbs: for the last moments of a forced stop."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._received) for number in stop_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _received(self, number: int, _frame: FrameType | None) -> None:
        hangup = number == signal.SIGHUP
        if hangup and self._asked:
            return
        self._asked = True
        if hangup and signal.getsignal(signal.SIGTERM) != self._received:
            # The stream client has taken SIGTERM over and knows of no hangup: it drains for this one as well.
            signal.raise_signal(signal.SIGTERM)
            return
        if not self._gentle or self._by_hand:
            raise KeyboardInterrupt
        self._by_hand = not hangup
        self.stop.set()


def stop(stack: "Stack", signals: StopSignals) -> None:
    """Stop ``stack`` in order; another signal meanwhile ends everything by force, and the command with it."""
    try:
        stack.stop()
    except KeyboardInterrupt:  # stack.stop() has ended everything by force
        signals.ignore()
        raise SystemExit(FORCED) from None
