"""Keeps children running: starts again what ended or does not get on, with backoff, named, counted and logged."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from pipeline.embedded.child import Child
from pipeline.embedded.files import WorkerRun
from pipeline.embedded.pages import Looker
from pipeline.embedded.restarts import CrashLoopPolicy, Ends, RestartPolicy
from pipeline.embedded.watchdog import Finding, Watchdog, WedgePolicy
from pipeline.errors import EmbeddedServiceError
from pipeline.metrics import CHILD_CRASH_LOOPING, CHILD_RESTARTS, CHILD_WEDGED, CHILD_WELL, WATCH_ERRORS

log = logging.getLogger(__name__)

POLL_S: Final = 0.1


@dataclass
class Watched:
    """One child and what became of it. Read from any thread, written by the supervisor's."""

    child: Child
    restart: bool
    state: str = "running"
    """running, wedged (it is being ended), restarting, failed, or ended (a child that is not restarted)."""
    restarts: int = 0
    ended: str = ""
    """How it ended the last time, and why if `up` did it."""
    ended_at: float | None = None
    """When, in Unix seconds."""
    words: str = ""
    """The last lines that it wrote then."""
    problem: str = ""
    """Why it does not get on although it runs; empty while it does, or while it only waits for a service."""
    crash_looping: bool = False
    _ends: Ends = field(default_factory=lambda: Ends(CrashLoopPolicy()), repr=False)
    _watchdog: Watchdog | None = field(default=None, repr=False)
    _looker: Looker | None = field(default=None, repr=False)
    _finding: Finding | None = field(default=None, repr=False)
    _kill_at: float = field(default=0.0, repr=False)
    _in_a_row: int = field(default=0, repr=False)
    _since: float = field(default=0.0, repr=False)
    _again_at: float = field(default=0.0, repr=False)

    def as_run(self, name: str, web: str) -> WorkerRun:
        """As `run.json` has it; ``web`` is where its pages are."""
        return WorkerRun(
            role=name,
            pid=self.child.pid,
            web=web,
            state=self.state,
            restarts=self.restarts,
            ended=self.ended,
            ended_at=self.ended_at,
            words=self.words,
            problem=self.problem,
            crash_looping=self.crash_looping,
        )


class Supervisor:
    """Watches children from a thread. ``changed`` is called (in that thread) after every end and every restart, and
    when a child begins or ceases to be a problem; what it raises is logged and counted.
    """

    def __init__(
        self,
        changed: Callable[[str, Watched], None],
        policy: RestartPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        wedged: WedgePolicy | None = None,
        crash_loop: CrashLoopPolicy | None = None,
    ) -> None:
        self.watched: dict[str, Watched] = {}
        self._changed = changed
        self._policy = policy or RestartPolicy()
        self._wedged = wedged or WedgePolicy()
        self._crash_loop = crash_loop or CrashLoopPolicy()
        self._clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, name: str, child: Child, *, restart: bool = True, health: str = "") -> None:
        """Watch a child that was started. ``health`` is the address of a page that says how it gets on."""
        watched = Watched(child, restart, _since=self._clock(), _ends=Ends(self._crash_loop, self._clock))
        if health:
            watched._watchdog = Watchdog(self._wedged, self._clock)
            watched._looker = Looker(name, health, self._wedged.every_s, self._wedged.answer_s, self._clock)
            watched._looker.start()
        with self._lock:
            self.watched[name] = watched
        self._count(name, watched)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
            self._thread.start()

    def forget(self, name: str) -> None:
        """Stop watching one child: its end is meant."""
        with self._lock:
            if name in self.watched:
                self.watched[name].state = "ended"

    def stop(self) -> None:
        """Stop watching: from now on an end is meant. The children stay as they are."""
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)
        with self._lock:
            for watched in self.watched.values():
                if watched._looker is not None:
                    watched._looker.stop()

    def check(self) -> None:
        """Look at every child once; never waits for one."""
        with self._lock:
            items = list(self.watched.items())
        for name, watched in items:
            if self._stop.is_set():
                return
            if watched.state in ("running", "wedged") and not watched.child.running:
                self._ended(name, watched)
            elif watched.state == "running":
                self._gets_on(name, watched)
            elif watched.state == "wedged" and self._clock() >= watched._kill_at:
                watched.child.signal_session(signal.SIGKILL)
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

    def _gets_on(self, name: str, watched: Watched) -> None:
        """Take note of what its page says, name what is wrong, and end it where only a new start can help."""
        was = (watched.problem == "", watched._finding.what if watched._finding else "", watched.crash_looping)
        watched.crash_looping = watched._ends.crash_looping
        if watched._watchdog is not None and watched._looker is not None:
            for look in watched._looker.looks():
                watched._watchdog.take(look)
            watched._finding = watched._watchdog.finding()
            watched.problem = watched._finding.says if watched._finding else ""
        if watched._finding is not None and watched._finding.wedged:
            self._end(name, watched, watched._finding)
        elif was != (watched.problem == "", watched._finding.what if watched._finding else "", watched.crash_looping):
            if watched.problem:
                log.warning("%s does not get on: %s", name, watched.problem)
            self._tell(name, watched)

    def _end(self, name: str, watched: Watched, finding: Finding) -> None:
        log.error("%s is wedged and is ended: %s", name, finding.says)
        CHILD_WEDGED.labels(name, finding.what).inc()
        watched.state = "wedged"
        watched._kill_at = self._clock() + self._wedged.grace_s
        if watched._watchdog is not None:
            watched._watchdog.ended()
        # It may end in order, once it is allowed to run.
        watched.child.terminate()
        watched.child.terminate(signal.SIGCONT)
        self._tell(name, watched)

    def _ended(self, name: str, watched: Watched) -> None:
        how = watched.child.how_it_ended()
        watched.ended = f"wedged: {watched.problem}" if watched.state == "wedged" else how
        watched.ended_at = time.time()
        watched.words = watched.child.last_words()
        watched.problem, watched._finding = "", None
        watched._ends.ended()
        watched.crash_looping = watched._ends.crash_looping
        if not watched.restart:
            watched.state = "ended"
            log.error("%s ended (%s)", name, watched.ended)
        elif watched.child.exit_code in self._policy.final:
            watched.state = "failed"
            watched.crash_looping = False
            log.error("%s ended (%s) and is not started again; its last lines:\n%s", name, watched.ended, watched.words)
        else:
            if self._clock() - watched._since >= self._policy.well_after_s:
                watched._in_a_row = 0
            pause = self._policy.pause_s(watched._in_a_row)
            watched._again_at = self._clock() + pause
            watched.state = "restarting"
            log.warning("%s ended (%s): started again in %.1f s", name, how, pause)
            if watched.crash_looping:
                log.error("%s ends again and again; its last lines:\n%s", name, watched.words)
        self._tell(name, watched)

    def _again(self, name: str, watched: Watched) -> None:
        watched._in_a_row += 1
        watched._since = self._clock()
        try:
            watched.child.start()
        except EmbeddedServiceError as error:
            watched._again_at = self._clock() + self._policy.pause_s(watched._in_a_row)
            log.error("%s: %s", name, error)  # noqa: TRY400 - the message says it all
            return
        if watched._watchdog is not None:
            watched._watchdog.started()
        watched.restarts += 1
        watched.state = "running"
        CHILD_RESTARTS.labels(name).inc()
        self._tell(name, watched)

    def _tell(self, name: str, watched: Watched) -> None:
        self._count(name, watched)
        self._changed(name, watched)

    def _count(self, name: str, watched: Watched) -> None:
        well = watched.state == "running" and not watched.problem and not watched.crash_looping
        CHILD_WELL.labels(name).set(well)
        CHILD_CRASH_LOOPING.labels(name).set(watched.crash_looping)
