"""Keeps children running: starts again what ended by itself, with backoff, counted and logged."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pipeline.embedded.child import Child
from pipeline.errors import EmbeddedServiceError
from pipeline.metrics import CHILD_CRASH_LOOPING, CHILD_RESTARTS, CHILD_WEDGED, WATCH_ERRORS

log = logging.getLogger(__name__)

POLL_S: Final = 0.1


@dataclass(frozen=True)
class RestartPolicy:
    """When a child that ended is started again.

    ``final`` are exit codes that another start cannot change (settings, model file) or must not (nearly everything was
    dead: starting again would drain the topic into the dead letters after all).
    """

    first_s: float = 0.5
    limit_s: float = 30.0
    well_after_s: float = 60.0
    """After so long a life the backoff begins anew."""
    loop_ends: int = 3
    loop_within_s: float = 120.0
    """So many ends within so long are a crash loop. With the backoff above a process that dies at once gets there in
    about 2 s, one that needs 20 s to load its model in about 65."""
    final: frozenset[int] = frozenset({2, 4, 6, 8})

    def pause_s(self, in_a_row: int) -> float:
        """Return how long to wait before start number ``in_a_row`` + 1."""
        return min(self.first_s * 2.0 ** min(in_a_row, 30), self.limit_s)


@dataclass
class Watched:
    """One child and what became of it. Read from any thread, written by the supervisor's."""

    child: Child
    restart: bool
    state: str = "running"
    """running, restarting, failed, or ended (a child that is not restarted)."""
    restarts: int = 0
    ended: str = ""
    crash_looping: bool = False
    _wedged: str = field(default="", repr=False)
    _ends: list[float] = field(default_factory=list, repr=False)
    _in_a_row: int = field(default=0, repr=False)
    _since: float = field(default=0.0, repr=False)
    _again_at: float = field(default=0.0, repr=False)


class Supervisor:
    """Watches children from a thread. ``changed`` is called (in that thread) after every end and every restart; what it
    raises is logged and counted."""

    def __init__(
        self,
        changed: Callable[[str, Watched], None],
        policy: RestartPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watched: dict[str, Watched] = {}
        self._changed = changed
        self._policy = policy or RestartPolicy()
        self._clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, name: str, child: Child, *, restart: bool = True) -> None:
        """Watch a child that was started."""
        with self._lock:
            self.watched[name] = Watched(child, restart, _since=self._clock())
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
            self._thread.start()

    def forget(self, name: str) -> None:
        """Stop watching one child: its end is meant."""
        with self._lock:
            if name in self.watched:
                self.watched[name].state = "ended"

    def end_wedged(self, name: str, reason: str, grace_s: float) -> None:
        """End a child that runs and does nothing, by force after ``grace_s``; it is started again as any other."""
        watched = self.watched[name]
        if watched.state != "running" or self._stop.is_set():
            return
        watched._wedged = reason
        CHILD_WEDGED.labels(name).inc()
        log.error("%s is wedged: %s; it is ended and started again", name, reason)
        watched.child.stop(grace_s)

    def stop(self) -> None:
        """Stop watching: from now on an end is meant. The children stay as they are."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)

    def check(self) -> None:
        """Look at every child once."""
        with self._lock:
            items = list(self.watched.items())
        for name, watched in items:
            if self._stop.is_set():
                return
            if watched.state == "running" and not watched.child.running:
                self._ended(name, watched)
            elif watched.crash_looping and watched.state == "running":
                if self._clock() - watched._since >= self._policy.well_after_s:
                    self._is_well(name, watched)
            elif watched.state == "restarting" and self._clock() >= watched._again_at:
                self._again(name, watched)

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                self.check()
            except Exception:
                # Whatever it is (a full disk under the run file), children that end later are still started again.
                WATCH_ERRORS.inc()
                log.exception("a look at the children failed; goes on")

    def _ended(self, name: str, watched: Watched) -> None:
        watched.ended = watched.child.how_it_ended()
        if watched._wedged:
            watched.ended, watched._wedged = f"was wedged: {watched._wedged}", ""
        words = watched.child.last_words()
        if not watched.restart:
            watched.state = "ended"
            log.error("%s ended (%s)", name, watched.ended)
        elif watched.child.exit_code in self._policy.final:
            watched.state = "failed"
            log.error("%s ended (%s) and is not started again; its last lines:\n%s", name, watched.ended, words)
        else:
            if self._clock() - watched._since >= self._policy.well_after_s:
                watched._in_a_row = 0
            pause = self._policy.pause_s(watched._in_a_row)
            watched._again_at = self._clock() + pause
            watched.state = "restarting"
            self._note_end(name, watched)
            log.warning("%s ended (%s): started again in %.1f s", name, watched.ended, pause)
        self._changed(name, watched)

    def _note_end(self, name: str, watched: Watched) -> None:
        now = self._clock()
        watched._ends = [*(at for at in watched._ends if now - at <= self._policy.loop_within_s), now]
        if len(watched._ends) >= self._policy.loop_ends and not watched.crash_looping:
            watched.crash_looping = True
            CHILD_CRASH_LOOPING.labels(name).set(1)
            log.error(
                "%s is crash-looping: %d ends within %.0f s, the last: %s",
                *(name, len(watched._ends), self._policy.loop_within_s, watched.ended),
            )

    def _is_well(self, name: str, watched: Watched) -> None:
        watched.crash_looping = False
        watched._ends = []
        CHILD_CRASH_LOOPING.labels(name).set(0)
        self._changed(name, watched)

    def _again(self, name: str, watched: Watched) -> None:
        watched._in_a_row += 1
        watched._since = self._clock()
        try:
            watched.child.start()
        except EmbeddedServiceError as error:
            watched._again_at = self._clock() + self._policy.pause_s(watched._in_a_row)
            log.error("%s: %s", name, error)  # noqa: TRY400 - the message says it all
            return
        watched.restarts += 1
        watched.state = "running"
        CHILD_RESTARTS.labels(name).inc()
        self._changed(name, watched)
