"""A worker's pages, served from a thread: /health, /metrics, /status. They answer when the event loop does not."""

import faulthandler
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, ClassVar, Final

import psutil
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from agents.outside import Outside
from agents.probes import Probe
from agents.progress import Position, Progress, ProgressTracker
from agents.verdict import EVENT_LOOP, Facts, HealthPolicy, Illness, illnesses
from pipeline.errors import SettingsError
from pipeline.metrics import COMMITTED_AGE, HEALTHY, LAG, MONITOR_ERRORS, PROGRESS_AGE

log = logging.getLogger(__name__)

SAMPLE_S: Final = 1.0


class Monitor:
    """Samples a worker once a second and says whether it is well. Thread-safe to read."""

    def __init__(
        self,
        role: str,
        probes: Sequence[Probe],
        positions: Callable[[], list[Position] | None],
        *,
        outside: Outside | None = None,
        stacks: Callable[[], object] = faulthandler.dump_traceback,
        policy: HealthPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``positions`` returns the assigned partitions, or None while the worker is not a member of its group.

        ``outside``: what its stages wait for. ``stacks`` writes down where each thread is, once each time that the
        event loop is blocked: the reason must not go with the worker when it is ended.
        """
        self.role = role
        self.extra: dict[str, Any] = {}
        """More for /status: model, incarnation."""
        self.warnings: Callable[[], list[str]] = list
        """What a person should know although the worker is well."""
        self._probes = probes
        self._positions = positions
        self._policy = policy or HealthPolicy()
        self._clock = clock
        self._tracker = ProgressTracker(clock)
        self._progress: list[Progress] = []
        self._outside = outside or Outside(clock)
        self._member = False
        self._member_at = clock()
        self._beat_at: float | None = None
        self._started_at = self._sampled_at = clock()
        self._service_away_at = 0.0
        self._error = ""
        self._labels: set[tuple[str, str]] = set()
        self._stacks = stacks
        self._blocked = False
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
        now = self._clock()
        if self._beat_at is None:
            # Only now it can join its group.
            self._member_at = now
        self._beat_at = now

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
            PROGRESS_AGE.labels(self.role, p.topic, partition).set(p.progress_age_s)
        for topic, partition in self._labels - labels:
            for gauge in (LAG, COMMITTED_AGE, PROGRESS_AGE):
                gauge.remove(self.role, topic, partition)
        self._labels = labels
        for probe in self._probes:
            up = probe.up()
            HEALTHY.labels(self.role, probe.name).set(up)
            if not up:
                self._service_away_at = self._clock()
        blocked, self._blocked = self._blocked, any(i.what == EVENT_LOOP for i in self.illnesses())
        if self._blocked and not blocked:
            log.error("the event loop is blocked; where each thread is:")
            self._stacks()

    def illnesses(self) -> list[Illness]:
        """What is wrong with the worker itself, whatever its services do."""
        return illnesses(
            Facts(
                now=self._clock(),
                started_at=self._started_at,
                beat_at=self._beat_at,
                sampled_at=self._sampled_at,
                member_at=None if self._member else self._member_at,
                outside_at=max(self._service_away_at, self._outside.last()),
                waits_for=self._outside.what(),
                progress=self._progress,
                sample_error=self._error,
            ),
            self._policy,
        )

    def problems(self) -> list[str]:
        """Everything that is wrong, in words; empty when the worker is well."""
        found = []
        for probe in self._probes:
            if not probe.up():
                age = probe.age_s()
                since = "never answered" if age is None else f"no answer for {age:.0f} s"
                found.append(f"{probe.name}: {since} ({probe.error or 'waiting'})")
        return found + [illness.says for illness in self.illnesses()]

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
            "event_loop_age_s": None if self._beat_at is None else round(self._clock() - self._beat_at, 1),
            "member": self._member,
            "illnesses": [asdict(illness) for illness in self.illnesses()],
            "waits_for": self._outside.what(),
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
            "starting": self._beat_at is None,
            "waits_for": health["waits_for"],
            "rss_bytes": psutil.Process().memory_info().rss,
            "partitions": [
                {
                    "topic": p.topic,
                    "partition": p.partition,
                    "committed": p.committed,
                    "end": p.end,
                    "lag": p.lag,
                    "committed_age_s": round(p.age_s, 1),
                    "progress_age_s": round(p.progress_age_s, 1),
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

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        """Who asks may have gone before the answer (a supervisor that waits 3 s): no page of traceback for that."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


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
