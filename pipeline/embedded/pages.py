"""Asking the pages of our own processes, over loopback: directly (never through a proxy of the environment), and in
a thread each where somebody must not wait (a process that is stopped still accepts connections, and never answers).
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any, Final

from pipeline.embedded.watchdog import Look

LIMIT: Final = 2**20
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url: str, timeout_s: float, *, any_status: bool = False) -> bytes:
    """Return the body of a page. Raises OSError when it does not answer in time, or (unless ``any_status``) with
    another status than 200.
    """
    try:
        with _direct.open(url, timeout=timeout_s) as answer:
            body: bytes = answer.read(LIMIT)
    except urllib.error.HTTPError as error:
        if not any_status:
            raise
        with error:
            body = error.read(LIMIT)
    except HTTPException as error:
        raise ConnectionError(f"{type(error).__name__}: {error}") from error
    return body


class Looker:
    """Looks at one page again and again from a thread of its own, and keeps what it saw for ``looks``."""

    def __init__(
        self, name: str, url: str, every_s: float, answer_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._answer_s = answer_s
        self._clock = clock
        self._seen: SimpleQueue[Look] = SimpleQueue()
        self._stop = Event()
        self._thread = Thread(target=self._run, name=f"look-{name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; does not wait for the look under way."""
        self._stop.set()

    def looks(self) -> list[Look]:
        """What was seen since the last call."""
        found = []
        try:
            while True:
                found.append(self._seen.get_nowait())
        except Empty:
            return found

    def look(self) -> Look:
        """Look once; never raises."""
        at = self._clock()
        try:
            health: Any = json.loads(get(self._url, self._answer_s, any_status=True))
        except (OSError, ValueError) as error:
            return Look(at, None, str(error) or type(error).__name__)
        return Look(at, health if isinstance(health, dict) else {})

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._seen.put(self.look())
