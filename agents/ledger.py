"""The sink worker that looks at the ledger: the one that has partition 0 of ``mentions.scored``, so that one does."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from agents.progress import Position
from pipeline.errors import BabelwatchError
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.topics import SCORED
from pipeline.ledger_watch import LedgerWatch, forget_metrics
from pipeline.metrics import LEDGER_AGE, LEDGER_ERRORS
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.ledger import LedgerStore

log = logging.getLogger(__name__)

EVERY_S: Final = 15.0
PAUSE_S: Final = 0.5
ANSWER_S: Final = 10.0


class LedgerThread:
    """Looks every EVERY_S seconds, in a thread of its own, while this worker is the one that shall."""

    def __init__(
        self,
        settings: Settings,
        incarnation: str,
        positions: Callable[[], list[Position] | None],
        *,
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``positions``: the partitions of this worker, or None. ``clock``: seconds, of which the age is made."""
        self._settings = settings
        self._incarnation = incarnation
        self._positions = positions
        self._every_s = every_s
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._looked_at: float | None = None
        """End of the last look, or since when this worker shall look; None while another one does."""

    def start(self) -> None:
        """Begin."""
        LEDGER_AGE.set_function(self._age_s)
        self._thread.start()

    def stop(self) -> None:
        """End; a look under way is given up."""
        self._stop.set()

    def _age_s(self) -> float:
        since = self._looked_at
        return 0.0 if since is None else self._clock() - since

    def _shall(self) -> bool:
        try:
            found = self._positions()
        except Exception:
            # The stream client is starting or ending (the health page tells): not now.
            log.debug("no positions", exc_info=True)
            return False
        return any(p.topic == SCORED and p.partition == 0 for p in found or ())

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            if not self._shall():
                self._resign()
                continue
            if self._looked_at is None:
                self._looked_at = self._clock()
            try:
                self._watch()
            except (BabelwatchError, OSError) as error:
                LEDGER_ERRORS.inc()
                log.warning("ledger: %s; again in %.0f s", error, self._every_s)
            except Exception:
                # Whatever it is: a look that fails must not end the looking.
                LEDGER_ERRORS.inc()
                log.exception("ledger: a look failed; again in %.0f s", self._every_s)
            else:
                self._resign()

    def _resign(self) -> None:
        """Another worker looks from now on. Not called after an error: age and gaps must stay to be seen, and grow."""
        self._looked_at = None
        forget_metrics()

    def _watch(self) -> None:
        """Look again and again until it is another worker's turn, or this one ends. Raises what a look raises."""
        client = connect(self._settings.require_clickhouse(), timeout_s=ANSWER_S)
        try:
            with (
                OffsetReader(self._settings, timeout_s=ANSWER_S) as reader,
                RangeReader(self._settings, timeout_s=ANSWER_S) as records,
            ):
                watch = LedgerWatch(reader, records, LedgerStore(client), self._incarnation)
                while self._shall() and not self._stop.is_set():
                    if watch.look(self._pause) is not None:
                        self._looked_at = self._clock()
                    self._stop.wait(self._every_s)
        finally:
            client.disconnect()

    def _pause(self) -> bool:
        """Wait for a stage that is behind. False when it is time to end."""
        return not self._stop.wait(PAUSE_S) and self._shall()
