"""A worker's pages, served from a thread: /health, /metrics, /status. They answer when the event loop does not."""

import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, ClassVar, Final

import psutil
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from agents.probes import Probe
from agents.progress import Position, Progress, ProgressTracker
from pipeline.errors import SettingsError
from pipeline.metrics import COMMITTED_AGE, HEALTHY, LAG, MONITOR_ERRORS

log = logging.getLogger(__name__)

SAMPLE_S: Final = 1.0
LOOP_STALE_S: Final = 8.0
SAMPLE_STALE_S: Final = 8.0
"""Offsets that were not read for this long say nothing, so the worker does not count as well."""


@dataclass(frozen=True)
class HealthPolicy:
    """When a worker whose services answer counts as ill all the same.

    ``stalled_s``: messages wait and the committed offset has not moved. Above a rebalance (session timeout 10 s), a
    large batch on a busy machine and a backoff of 10 s. ``adrift_s``: not a member of its consumer group.
    """

    stalled_s: float = 30.0
    adrift_s: float = 45.0


class Monitor:
    """Samples a worker once a second and says whether it is well. Thread-safe to read."""

    def __init__(
        self,
        role: str,
        probes: Sequence[Probe],
        positions: Callable[[], list[Position] | None],
        *,
        policy: HealthPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``positions`` returns the assigned partitions, or None while the worker is not a member of its group."""
        self.role = role
        self.extra: dict[str, Any] = {}
        """More for /status: model, incarnation."""
        self.warnings: Callable[[], list[str]] = list
        """What a person should know although the worker is well."""
        self.retrying: Callable[[], bool] = lambda: False
        """Whether a service keeps a batch waiting."""
        self._probes = probes
        self._positions = positions
        self._policy = policy or HealthPolicy()
        self._clock = clock
        self._tracker = ProgressTracker(clock)
        self._progress: list[Progress] = []
        self._member = False
        self._member_at = clock()
        self._beat_at = clock()
        self._sampled_at = clock()
        self._error = ""
        self._labels: set[tuple[str, str]] = set()
        self._stop = Event()

    def start(self) -> None:
        """Start the probes and the sampling."""
        for probe in self._probes:
            probe.start()
        Thread(target=self._sample_for_ever, name="monitor", daemon=True).start()

    def stop(self) -> None:
        """Stop the threads."""
        self._stop.set()
        for probe in self._probes:
            probe.stop()

    def beat(self) -> None:
        """Tell that the event loop runs; called from the loop at least once a second."""
        self._beat_at = self._clock()

    def sample(self) -> None:
        """Take note of offsets and dependencies once, and set the metrics.

        An error is logged when it is another than before, counted, and a problem when it lasts: the thread goes on.
        """
        try:
            self._sample()
        except Exception as error:
            text = f"{type(error).__name__}: {error}"[:200]
            if text != self._error:
                log.exception("the worker's own state cannot be read")
            self._error = text
            MONITOR_ERRORS.labels(self.role).inc()
        else:
            self._error = ""
            self._sampled_at = self._clock()

    def _sample(self) -> None:
        positions = self._positions()
        self._member = positions is not None
        if self._member:
            self._member_at = self._clock()
        self._progress = self._tracker.update(positions or [])
        labels = set()
        for p in self._progress:
            partition = str(p.partition)
            labels.add((p.topic, partition))
            LAG.labels(self.role, p.topic, partition).set(p.lag)
            COMMITTED_AGE.labels(self.role, p.topic, partition).set(p.age_s)
        for topic, partition in self._labels - labels:
            LAG.remove(self.role, topic, partition)
            COMMITTED_AGE.remove(self.role, topic, partition)
        self._labels = labels
        for probe in self._probes:
            HEALTHY.labels(self.role, probe.name).set(probe.up())

    def problems(self) -> list[str]:
        """Everything that is wrong, in words; empty when the worker is well."""
        found = []
        for probe in self._probes:
            if not probe.up():
                age = probe.age_s()
                since = "never answered" if age is None else f"no answer for {age:.0f} s"
                found.append(f"{probe.name}: {since} ({probe.error or 'waiting'})")
        now = self._clock()
        if now - self._beat_at > LOOP_STALE_S:
            found.append(f"event loop: blocked for {now - self._beat_at:.0f} s")
        if now - self._sampled_at > SAMPLE_STALE_S:
            found.append(f"monitor: no offsets read for {now - self._sampled_at:.0f} s ({self._error or 'it hangs'})")
        if not self._member and now - self._member_at > self._policy.adrift_s:
            found.append(f"consumer group: no member for {now - self._member_at:.0f} s")
        found += [
            f"{p.topic}/{p.partition}: offset {p.committed} is committed, beyond the log's end {p.end}, so nothing is "
            "read until there (another log than before? stop the workers and restart the broker, or reset offsets)"
            for p in self._progress
            if p.committed is not None and p.end is not None and p.committed > p.end
        ]
        found += [
            f"{p.topic}/{p.partition}: {p.lag} messages wait and nothing was committed for {p.age_s:.0f} s"
            for p in self._progress
            if p.age_s > self._policy.stalled_s
        ]
        return found

    def health(self) -> tuple[int, dict[str, Any]]:
        """Return the status code and body of /health."""
        problems = self.problems()
        dependencies = {
            probe.name: {
                "up": probe.up(),
                "age_s": None if (age := probe.age_s()) is None else round(age, 1),
                "error": probe.error,
            }
            for probe in self._probes
        }
        body = {
            "healthy": not problems,
            "role": self.role,
            "problems": problems,
            "warnings": self.warnings(),
            "dependencies": dependencies,
            "retrying": self.retrying(),
            "event_loop_age_s": round(self._clock() - self._beat_at, 1),
            "member": self._member,
        }
        return (503 if problems else 200), body

    def status(self) -> dict[str, Any]:
        """Return the body of /status: what an operator asks first."""
        code, health = self.health()
        return {
            "role": self.role,
            "pid": os.getpid(),
            "healthy": code == 200,
            "problems": health["problems"],
            "warnings": health["warnings"],
            "member": self._member,
            "rss_bytes": psutil.Process().memory_info().rss,
            "partitions": [
                {
                    "topic": p.topic,
                    "partition": p.partition,
                    "committed": p.committed,
                    "end": p.end,
                    "lag": p.lag,
                    "committed_age_s": round(p.age_s, 1),
                }
                for p in self._progress
            ],
            **self.extra,
        }

    def _sample_for_ever(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.sample()


class _Handler(BaseHTTPRequestHandler):
    monitor: ClassVar[Monitor]
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        path = self.path.split("?")[0].rstrip("/") or "/"
        if path == "/health":
            code, body = self.monitor.health()
            self._reply(code, "application/json", _json(body))
        elif path == "/metrics":
            self._reply(200, CONTENT_TYPE_LATEST, generate_latest())
        elif path == "/status":
            self._reply(200, "application/json", _json(self.monitor.status()))
        else:
            self._reply(404, "text/plain", b"/health /metrics /status\n")

    def _reply(self, code: int, kind: str, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: probes come every few seconds."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Restarting on the same port right after a crash must work.
    allow_reuse_address = True


def serve(monitor: Monitor, host: str, port: int) -> tuple[ThreadingHTTPServer, str]:
    """Serve the pages from a thread; port 0 takes a free one. Returns the server and its address ``http://host:port``.

    Raises SettingsError when the port is taken.
    """
    handler = type("Handler", (_Handler,), {"monitor": monitor})
    try:
        server = _Server((host, port), handler)
    except OSError as error:
        raise SettingsError(
            f"the worker's pages cannot listen on {host}:{port} ({error.strerror}): give another --web-port (0 takes "
            "a free one) or BABELWATCH_WEB_PORT"
        ) from None
    Thread(target=server.serve_forever, name="pages", daemon=True).start()
    return server, f"http://{host}:{server.server_address[1]}"


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, indent=1).encode() + b"\n"
