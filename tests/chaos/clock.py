"""Clocks of workers that can jump: libfaketime reads an offset from a file, one file per worker."""

from pathlib import Path

from tests.chaos.tools import libfaketime


class Clocks:
    """The wall clock of a worker is the machine's plus an offset; its monotonic clock is the machine's."""

    def __init__(self, folder: Path) -> None:
        """Raises tools.NotHere."""
        self._library = libfaketime()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def environment(self, worker: str) -> dict[str, str]:
        """What the worker is started with."""
        self.set(worker, 0)
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self._file(worker)),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, worker: str, offset_s: int) -> None:
        """Make the clock of ``worker`` jump to ``offset_s`` seconds from the machine's, within a second."""
        partial = self._file(worker).with_suffix(".new")
        partial.write_text(f"{offset_s:+d}s\n", encoding="ascii")
        partial.replace(self._file(worker))

    def _file(self, worker: str) -> Path:
        return self._folder / worker
