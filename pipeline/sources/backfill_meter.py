"""How far a backfill is, on standard error: on a terminal in one line, elsewhere a line in a while."""

import sys
import time
from collections.abc import Callable
from typing import Final, TextIO

from pipeline.terminal import printable

TERMINAL_EVERY_S: Final = 0.5
LINE_EVERY_S: Final = 10.0
MIN_S: Final = 2.0
"""No estimate before: the first second is a burst."""


class Meter:
    """Progress of one file with ``total`` rows. ``clock`` in seconds, monotonic."""

    def __init__(
        self, name: str, total: int, *, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._total, self._clock = printable(name, 40), total, clock
        self._out = sys.stderr if out is None else out
        self._terminal = self._out.isatty()
        self._began = self._shown = clock()
        self._first: int | None = None
        self._open = False
        self.rows_done: Callable[[], int] = lambda: 0
        """Rows of the file that are through, earlier runs included."""
        self.paused_s = 0.0
        """Seconds in which live mentions held this up."""

    def show(self) -> None:
        """Show it, unless it was shown a moment ago."""
        if self._first is None:
            self._first = self.rows_done()
        now = self._clock()
        if now - self._shown < (TERMINAL_EVERY_S if self._terminal else LINE_EVERY_S):
            return
        self._shown = now
        text = self.text()
        if self._terminal:
            self._out.write(f"\r\x1b[K{text}")
            self._open = True
        else:
            self._out.write(text + "\n")
        self._out.flush()

    def text(self) -> str:
        """The line: share, pace of this run, time left at that pace (pauses included), and pauses so far."""
        seconds = self._clock() - self._began
        done = self.rows_done()
        share = 100 * done / self._total if self._total else 100.0
        pace = (done - (self._first or 0)) / seconds if seconds else 0.0
        left = ""
        if pace and seconds >= MIN_S:
            left = f", about {duration((self._total - done) / pace)} left"
        paused = f", paused {duration(self.paused_s)} while messages waited" if self.paused_s >= 1 else ""
        return f"{self._name}: {done:,} of {self._total:,} rows ({share:.1f}%), {pace:,.0f}/s{left}{paused}"

    def stalled(self, waiting: int, seconds: float) -> None:
        """Say that nothing moves: what waits is not being worked off."""
        self.end()
        self._out.write(
            f"{self._name}: paused: {waiting:,} messages wait in the pipeline, and for {seconds:.0f} s none was done: "
            "is a worker of each role running? See `babelwatch status`\n"
        )
        self._out.flush()

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._open:
            self._out.write("\n")
            self._out.flush()
        self._open = False


def duration(seconds: float) -> str:
    """Seconds for a person."""
    whole = int(max(0.0, seconds) + 0.5)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"
