"""The brands file, read again when it changes, without a restart and without ever being without brands."""

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.brands.loader import load_brands
from pipeline.brands.matcher import BrandMatcher
from pipeline.errors import BrandsFileError
from pipeline.metrics import BRANDS_RELOADS

log = logging.getLogger(__name__)


class BrandsWatcher:
    """Holds the current matcher of a file.

    The file's inode, size and time are looked at when :attr:`matcher` is asked for, at most once per ``interval_s``
    (links are followed, so Kubernetes' atomic swap of a mounted ConfigMap counts). A new file that is not valid, or
    gone, leaves the old matcher in place; that is logged and counted once per change.
    """

    def __init__(
        self, path: Path | str, *, interval_s: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Load the file; raises BrandsFileError when it is not valid at the start."""
        self.path = Path(path)
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._look()
        self._matcher = BrandMatcher(load_brands(self.path))
        self._looked = clock()
        self.error: str | None = None
        """Why the file as it is now is not in use; None when it is."""

    @property
    def matcher(self) -> BrandMatcher:
        """The matcher to use now. Reading and building happen in the caller's thread; other threads get the old one."""
        if self._clock() - self._looked >= self._interval_s and self._lock.acquire(blocking=False):
            try:
                self._looked = self._clock()
                self._refresh()
            finally:
                self._lock.release()
        return self._matcher

    def _look(self) -> tuple[int, int, int, int] | None:
        try:
            state = os.stat(self.path)
        except OSError:
            return None
        return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns

    def _refresh(self) -> None:
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            catalogue = load_brands(self.path)
        except BrandsFileError as error:
            self.error = str(error)
            BRANDS_RELOADS.labels("missing" if seen is None else "invalid").inc()
            log.warning("the brands file changed and is not usable, the former brands stay: %s", error)
            return
        self._matcher = BrandMatcher(catalogue)
        self.error = None
        BRANDS_RELOADS.labels("reloaded").inc()
        log.info("brands reloaded: %d brands from %s", len(catalogue.brands), self.path)
