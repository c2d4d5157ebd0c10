"""How a worker ends: on a signal after its batch is durable, on a fatal error without acknowledging anything more."""

import asyncio
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from agents.backoff import Stopping
from pipeline.errors import WorkerStuck

log = logging.getLogger(__name__)

FINISH_S: Final = 3.0
"""How long after a stop request a batch may still be retried. `babelwatch up` stops everything within 10 s."""
DRAIN_S: Final = 8.0
"""When a worker that was told to stop ends by force: a broker that does not answer would hold it for ever (Kafka
clients flush and commit on close). Nothing is lost: what was not confirmed was not acknowledged."""


class Control:
    """State of one worker's ending. Set from signal handlers and stages, read by every retry loop."""

    def __init__(self, role: str) -> None:
        self.role = role
        self.fatal: BaseException | None = None
        self.gave_up = False
        """Set once a batch was left unacknowledged: from then on no later one may be acknowledged either, because a
        committed offset says that everything below it is done."""
        self.retrying = False
        """True from the first repeated attempt of a batch until it is done: a service keeps the worker waiting."""
        self.at_end: list[Callable[[], object]] = []
        """What is called when the worker has drained."""
        self._stop_asked: float | None = None

    @property
    def stopping(self) -> bool:
        """True from the first stop request on."""
        return self._stop_asked is not None

    @property
    def out_of_time(self) -> bool:
        """True when a batch that is not durable by now has to be left to the next worker."""
        return self._stop_asked is not None and time.monotonic() - self._stop_asked > FINISH_S

    def stop_requested(self) -> None:
        """Take note of a stop request, and make sure that the process ends."""
        if self._stop_asked is None:
            self._stop_asked = time.monotonic()
            timer = threading.Timer(DRAIN_S, self._end_by_force)
            timer.daemon = True
            timer.start()

    def fail(self, error: BaseException) -> None:
        """End the worker with ``error``: acknowledge nothing more, drain, exit non-zero."""
        if self.fatal is None:
            log.error("%s stops: %s", self.role, error)
            self.fatal = error
            os.kill(os.getpid(), signal.SIGTERM)

    async def pause(self, seconds: float) -> None:
        """Wait before another attempt. Raises Stopping when the worker has no time for one."""
        self.retrying = True
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self.out_of_time:
                raise Stopping
            await asyncio.sleep(min(left, 0.2))
        if self.out_of_time:
            raise Stopping

    def _end_by_force(self) -> None:
        code = getattr(self.fatal, "exit_code", WorkerStuck.exit_code)
        print(
            f"babelwatch: {self.role} did not drain within {DRAIN_S:.0f} s (does the broker answer?) and ends; "
            "what it had not finished was not acknowledged and will be read again",
            file=sys.stderr,
            flush=True,
        )
        os._exit(code)
