"""A worker as the supervisor starts it: a child process that is spoken to over its pages and signals."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from clickhouse_driver import Client

from pipeline.settings import Settings


def wait_until(what: str, condition: Callable[[], bool], timeout_s: float, every_s: float = 0.2) -> None:
    """Poll until ``condition`` holds; fail the test with ``what`` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(every_s)


def counted(client: Client) -> int:
    """Mentions by the minute rollup; it follows a moment after the mentions themselves."""
    return int(client.execute("SELECT sum(mentions) FROM rollup_minute FINAL WHERE brand = ''")[0][0])


class WorkerProcess:
    """``babelwatch worker ROLE`` with settings by environment. Its stderr goes to a file, shown when it matters."""

    def __init__(
        self,
        role: str,
        settings: Settings,
        folder: Path,
        web_port: int = 0,
        environment: dict[str, str] | None = None,
        first: str = "",
    ) -> None:
        """``environment``: variables that are set although they may say what the default says. ``first``: Python that
        the worker runs before it starts, to have a fault."""
        self.role = role
        self._folder = folder
        self._environment = environment_of(settings) | (environment or {})
        self._web_port = web_port
        self._first = first
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"{role}.log"
        self._out = folder / f"{role}.out"

    def start(self) -> Self:
        """Start it; returns at once."""
        with self._log.open("ab") as log, self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-c", f"{self._first}\nfrom pipeline.cli.main import main; main()"),
                    *("worker", self.role, "--web-port", str(self._web_port)),
                ],
                stdout=out,
                stderr=log,
                env=self._environment,
                cwd=self._folder,
            )
        return self

    @property
    def address(self) -> str:
        """Address of its pages."""

        def printed() -> str | None:
            found = re.search(r"(http://\S+)/health", self._out.read_text())
            return found.group(1) if found else None

        wait_until(f"{self.role} prints its address\n{self.log()}", lambda: printed() is not None, 180)
        return printed() or ""

    def page(self, path: str) -> tuple[int, Any]:
        """Return status and body (JSON or text) of one of its pages; status 0 when it does not listen."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=5) as reply:  # noqa: S310
                code, body = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            code, body = error.code, error.read()
        except OSError:
            return 0, {}
        return code, body.decode() if path == "/metrics" else json.loads(body)

    def healthy(self) -> bool:
        """True when /health says so and it is a member of its group."""
        code, body = self.page("/health")
        return code == 200 and bool(body["member"])

    def ready(self, timeout_s: float = 180) -> Self:
        """Wait until it is healthy and has partitions."""
        wait_until(
            f"{self.role} is ready\n{self.log()}",
            lambda: self.healthy() and bool(self.page("/status")[1]["partitions"]),
            timeout_s,
        )
        return self

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, timeout_s: float = 30) -> int:
        """Return its exit code; the test fails when it does not end."""
        assert self.process is not None
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.role} did not end within {timeout_s:.0f} s\n{self.log()}")

    def log(self) -> str:
        """Last lines of its stderr."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:]) if self._log.exists() else ""

    def kill(self) -> None:
        """End it by force."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def __enter__(self) -> Self:
        return self if self.process else self.start()

    def __exit__(self, *_: object) -> None:
        self.kill()


def command_json(settings: Settings, *arguments: str, timeout_s: float = 120) -> tuple[int, Any, str]:
    """``babelwatch ARGUMENTS --json`` as another process: exit code, what it printed, and its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *arguments, "--json"],
        env=environment_of(settings),
        capture_output=True,
        check=False,
        timeout=timeout_s,
    )
    return done.returncode, json.loads(done.stdout or b"{}"), done.stderr.decode()


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings that differ from their defaults, as environment variables; nothing else of ours leaks in."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BABELWATCH_", "KAFKA_", "CLICKHOUSE_"))}
    defaults = Settings.model_construct()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is None or value == getattr(defaults, name, None):
            continue
        secret = getattr(value, "get_secret_value", None)
        variable = {"kafka_brokers": "KAFKA_BROKERS", "clickhouse_url": "CLICKHOUSE_URL"}.get(
            name, f"BABELWATCH_{name.upper()}"
        )
        environment[variable] = str(secret() if secret else value)
    return environment | {"PYTHONPATH": str(Path(__file__).parents[2])}
