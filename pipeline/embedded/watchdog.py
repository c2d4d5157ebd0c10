"""Finds workers that run and do nothing: frozen, deadlocked, or stuck with their messages.

Only what a new start can mend counts. A worker that waits for its broker or for ClickHouse is ill for a reason outside
of it, and would be no better for having been killed.
"""

import json
import logging
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

log = logging.getLogger(__name__)

Page = dict[str, Any]


@dataclass(frozen=True)
class WatchdogPolicy:
    """When a worker counts as wedged, in seconds.

    ``silent_s``: its page, served by a thread of its own, answers in milliseconds on a busy machine; three questions
    of ``answer_s`` without an answer in a row, and some. With ``grace_s`` to end a frozen worker is replaced within 30.
    ``ill_s``: what /health calls blocked or stuck was so for 8 to 45 s before it says so (agents/health.py); this is
    longer than a rebalance that it may be recovering from (session timeout 10 s).
    """

    every_s: float = 2.0
    answer_s: float = 4.0
    silent_s: float = 15.0
    ill_s: float = 15.0
    grace_s: float = 5.0


OWN_FAULTS: Final = ("event loop:", "monitor:", "consumer group:", "mentions")
"""How problems in /health begin that are the worker's own; ``mentions...``: messages wait and nothing is committed."""


class Verdict:
    """Judges one worker by the answers of its page; pure. ``clock`` in seconds, monotonic."""

    def __init__(self, policy: WatchdogPolicy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._pid: int | None = None
        self._answered_at: float | None = None
        self._ill_since: float | None = None
        self._was_well = False

    def hear(self, pid: int, page: Page | None) -> str:
        """Take note of an answer (None: none came) of process ``pid``; return why it is wedged, or an empty text.

        A process that was never well is starting (it loads a model, joins its group), and gets the time that it needs.
        """
        now = self._clock()
        if pid != self._pid:
            self._pid, self._answered_at, self._ill_since, self._was_well = pid, None, None, False
        if page is None:
            if self._answered_at is not None and now - self._answered_at > self._policy.silent_s:
                return f"its pages have not answered for {now - self._answered_at:.0f} s"
            return ""
        self._answered_at = now
        self._was_well |= bool(page.get("healthy") and page.get("member"))
        reason = self._own_fault(page) if self._was_well else ""
        if not reason:
            self._ill_since = None
        elif self._ill_since is None:
            self._ill_since = now
        elif now - self._ill_since > self._policy.ill_s:
            return reason
        return ""

    @staticmethod
    def _own_fault(page: Page) -> str:
        outside = page.get("retrying") or not all(d.get("up") for d in page.get("dependencies", {}).values())
        if outside:
            return ""
        return next((str(p) for p in page.get("problems", ()) if str(p).startswith(OWN_FAULTS)), "")


class Watchdog:
    """Asks one worker's page every few seconds, in a thread of its own: a frozen worker's page hangs."""

    def __init__(
        self,
        url: str,
        pid: Callable[[], int | None],
        wedged: Callable[[str], object],
        policy: WatchdogPolicy | None = None,
    ) -> None:
        """``pid`` of the process that runs now, or None; ``wedged(reason)`` is called in the thread, and ends it."""
        self._url = url
        self._pid = pid
        self._wedged = wedged
        self._policy = policy or WatchdogPolicy()
        self._verdict = Verdict(self._policy, time.monotonic)
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        """End."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._policy.every_s):
            pid = self._pid()
            if pid is None:
                continue
            reason = self._verdict.hear(pid, self._ask())
            if reason and not self._stop.is_set():
                self._wedged(reason)

    def _ask(self) -> Page | None:
        try:
            with urllib.request.urlopen(self._url, timeout=self._policy.answer_s) as answer:  # noqa: S310 - our own
                body = answer.read(2**20)
        except urllib.error.HTTPError as error:  # 503: it answers, and says what is wrong
            body = error.read(2**20)
        except OSError:
            return None
        try:
            found = json.loads(body)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None
