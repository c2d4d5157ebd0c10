"""A child process that does not outlive its parent, with a log file and the last words when it fails."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Final

from pipeline.errors import EmbeddedServiceError

LOG_LIMIT: Final = 5 * 2**20
"""A log above this size at start is moved to `.1`, over the one before."""
_LAST_LINES: Final = 15

# The kernel sends the signal when the *thread* that started the child ends, so all are started by one thread that
# lives as long as the process: a restart from a short-lived thread would kill the child with it.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")

# prctl before exec, in a small program of its own: code between fork and exec (preexec_fn) can deadlock in a parent
# with threads. The check after prctl closes the gap in which the parent dies before it.
_WITH_PARENT: Final = """
import ctypes, os, sys
sig, parent = int(sys.argv[1]), int(sys.argv[2])
ctypes.CDLL(None).prctl(1, sig, 0, 0, 0)
if os.getppid() != parent:
    os._exit(1)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Child:
    """One process in a session of its own: the terminal's Ctrl-C reaches only the parent, which then stops it.

    On Linux it gets ``parent_death`` when the parent dies, however that happens.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        parent_death: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log = log
        self._argv = list(argv)
        self._env = dict(env) if env is not None else None
        self._cwd = cwd
        self._parent_death = parent_death
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0

    @property
    def pid(self) -> int:
        """Its process id. Raises EmbeddedServiceError before the first start."""
        if self._process is None:
            raise EmbeddedServiceError(f"{self.name} was not started")
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs (or was never started); negative numbers are signals."""
        return None if self._process is None else self._process.poll()

    @property
    def running(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it. Raises EmbeddedServiceError when the program or its log cannot be opened."""
        self._process = _spawner.submit(self._spawn).result()

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float, every_s: float = 0.02) -> bool:
        """Wait until ``ready()``; True then, False when the process ended or the time is over."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if not self.running:
                return False
            if ready():
                return True
            time.sleep(every_s)
        return False

    def terminate(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Send ``sig`` if it runs."""
        if self.running and self._process is not None:
            self._process.send_signal(sig)

    def signal_session(self, sig: signal.Signals) -> None:
        """Send ``sig`` to its whole session if it runs; returns at once."""
        if self.running and self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, sig)

    def wait(self, timeout_s: float) -> bool:
        """Wait for its end; True when it ended in time."""
        if self._process is None:
            return True
        try:
            self._process.wait(max(timeout_s, 0.001))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, timeout_s: float) -> bool:
        """SIGTERM, and SIGKILL after ``timeout_s``. True when SIGTERM was enough."""
        self.terminate()
        # A process that was stopped (SIGSTOP) acts on SIGTERM only once it continues.
        self.terminate(signal.SIGCONT)
        orderly = self.wait(timeout_s)
        self.kill()
        return orderly

    def kill(self) -> None:
        """SIGKILL to its whole session, and reap it."""
        if self._process is None or self._process.poll() is not None:
            return  # reaped: its pid may be somebody else's by now
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """Last lines that it wrote since its last start."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._log_from, self.log.stat().st_size - 16_384))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(line for line in lines[-_LAST_LINES:] if line.strip())

    def how_it_ended(self) -> str:
        """Return the exit code or signal in words."""
        code = self.exit_code
        if code is None:
            return "still runs"
        if code >= 0:
            return f"exit code {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"

    def _spawn(self) -> "subprocess.Popen[bytes]":
        argv = self._argv
        if sys.platform == "linux":
            launcher = [sys.executable, "-I", "-S", "-c", _WITH_PARENT, str(int(self._parent_death)), str(os.getpid())]
            argv = launcher + argv
        try:
            with self._open_log() as log:
                self._log_from = log.tell()
                return subprocess.Popen(  # noqa: S603 - our own programs
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    start_new_session=True,
                )
        except OSError as error:
            raise EmbeddedServiceError(f"{self.name} cannot be started: {error}") from None

    def _open_log(self) -> IO[bytes]:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_name(self.log.name + ".1"))
        return self.log.open("ab")
