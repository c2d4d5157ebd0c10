"""The embedded ClickHouse server (chdb-core) as a child process: native protocol and HTTP on free loopback ports."""

import json
import os
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from pipeline.embedded import clickhouse_config as config
from pipeline.embedded.child import Child
from pipeline.embedded.clickhouse_server import PASSWORD_VARIABLE
from pipeline.embedded.ports import LOOPBACK, free_port, require_free
from pipeline.embedded.processes import identity, is_running, listens
from pipeline.embedded.service import EmbeddedService
from pipeline.errors import EmbeddedServiceError

START_S: Final = 60.0
"""Loading many parts after a crash on a busy machine; an ordinary start takes about a second."""
STOP_S: Final = 6.0
_PREDECESSOR_S: Final = 25.0
"""How long a server whose parent was killed may take to end in order before its folder is free."""
_ATTEMPTS: Final = 3
LEAST_FREE_BYTES: Final = 256 * 2**20
"""Below this much disk ClickHouse would fail within minutes, and less clearly."""
REMEDY: Final = "set CLICKHOUSE_URL to a ClickHouse server (clickhouse://user:password@host:9000/babelwatch)"


def require_space(folder: Path) -> None:
    """Raise EmbeddedServiceError when the disk of ``folder`` is as good as full."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise EmbeddedServiceError(
            f"the disk that holds {folder} is full ({free >> 20} MiB left, {LEAST_FREE_BYTES >> 20} are "
            "needed to start): free some space, or choose another folder with BABELWATCH_DATA_DIR"
        )


class EmbeddedClickHouse(EmbeddedService):
    """A server with its data in ``data_dir/clickhouse``. Use as a context manager, or ``start`` and ``stop``.

    Data lives on across restarts, and an acknowledged insert survives SIGKILL.
    """

    name = "the embedded ClickHouse"

    def __init__(
        self,
        data_dir: Path,
        tcp_port: int = 0,
        http_port: int = 0,
        *,
        password: str | None = None,
        limits: config.Limits | None = None,
    ) -> None:
        """Ports: 0 takes a free one. Without ``password`` a random one is made for this run."""
        super().__init__()
        data_dir = Path(data_dir).absolute()
        self.folder = data_dir / "clickhouse"
        self._logs = data_dir / "logs"
        self._wanted = (tcp_port, http_port)
        self.tcp_port, self.http_port = tcp_port, http_port
        self._password = password or secrets.token_urlsafe(24)
        self._limits = limits or config.Limits.for_this_machine()

    @property
    def url(self) -> str:
        """``clickhouse://babelwatch:PASSWORD@127.0.0.1:PORT/babelwatch``: a secret."""
        return f"clickhouse://{config.USER}:{self._password}@{LOOPBACK}:{self.tcp_port}/{config.DATABASE}"

    @property
    def http_url(self) -> str:
        """``http://127.0.0.1:PORT``; ``/play`` there is ClickHouse's own page."""
        return f"http://{LOOPBACK}:{self.http_port}"

    def drop_data(self) -> None:
        """Remove everything it ever stored. Raises EmbeddedServiceError when a server still uses it, or it stays."""
        self._await_predecessor()
        try:
            shutil.rmtree(self.folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise EmbeddedServiceError(f"{self.folder} cannot be removed ({error}): remove it yourself") from None

    def note_pid(self) -> None:
        """Write down which process uses the folder: the next start waits for it should it outlive its parent."""
        self._pid_file.write_text(json.dumps({"pid": self.pid, "identity": identity(self.pid)}), encoding="utf-8")

    def start(self) -> None:
        """Start it and return when both ports listen.

        Raises EmbeddedServiceError that says what to do: port taken, folder in use or not writable, disk full, no
        chdb-core for this platform, or its last lines.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it without waiting; :meth:`wait` has to follow. Raises EmbeddedServiceError."""
        require_package()
        self._await_predecessor()
        tcp, http = self._wanted
        for port in (tcp, http):
            if port:
                require_free(port, "the embedded ClickHouse", f"free it, choose another, or {REMEDY}")
        self.tcp_port, self.http_port = tcp or free_port(), http or free_port()
        try:
            for folder in (self.folder, self.folder / "tmp", self._logs):
                folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            config.write(self.folder, self._logs, self.tcp_port, self.http_port, self._password, self._limits)
        except OSError as error:
            raise EmbeddedServiceError(
                f"the embedded ClickHouse cannot write to {self.folder} ({error.strerror}): free space or correct the "
                f"rights, or choose another folder with BABELWATCH_DATA_DIR"
            ) from None
        self._child = Child(
            "the embedded ClickHouse",
            [sys.executable, "-m", "pipeline.embedded.clickhouse_server", str(self.folder), str(self.tcp_port)],
            self._logs / "clickhouse.log",
            env={**os.environ, PASSWORD_VARIABLE: self._password, "TZ": "UTC"},
            # Not our own folder: the engine reads a config.xml in the current directory when it is imported.
            cwd=self.folder,
            # In order, also when the parent was killed.
            parent_death=signal.SIGTERM,
        )
        self._child.start()
        self.note_pid()

    def wait(self) -> None:
        """Return when it listens on both ports. Raises EmbeddedServiceError as :meth:`start`."""
        for attempt in range(_ATTEMPTS):
            child = self.child
            if child.wait_ready(
                lambda: listens(self.pid, self.tcp_port) and listens(self.pid, self.http_port), START_S
            ):
                return
            how, words = child.how_it_ended(), child.last_words()
            child.kill()
            if "Code: 210" in words and not all(self._wanted) and attempt < _ATTEMPTS - 1:
                self.launch()  # somebody else took the free port in between
                continue
            raise EmbeddedServiceError(_explain(how, words, self.folder, child.log))

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop it in order, by force after ``timeout_s``; what was acknowledged is safe either way."""
        if self._child is not None:
            self._child.stop(timeout_s)
            self._pid_file.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _pid_file(self) -> Path:
        return self.folder / "server.pid"

    def _await_predecessor(self) -> None:
        """Wait for a server whose parent died and which is still ending."""
        try:
            known = json.loads(self._pid_file.read_text(encoding="utf-8"))
            pid, known_identity = int(known["pid"]), str(known["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        deadline = time.monotonic() + _PREDECESSOR_S
        while is_running(pid, known_identity):
            if time.monotonic() > deadline:
                raise EmbeddedServiceError(
                    f"{self.folder} is in use by the ClickHouse server with pid {pid}: end it (kill {pid}), or choose "
                    "another folder with BABELWATCH_DATA_DIR"
                )
            time.sleep(0.05)


@contextmanager
def embedded_clickhouse(data_dir: Path, tcp_port: int = 0, http_port: int = 0) -> Iterator[EmbeddedClickHouse]:
    """Run an embedded ClickHouse server. Raises as :meth:`EmbeddedClickHouse.start`."""
    with EmbeddedClickHouse(data_dir, tcp_port, http_port) as server:
        yield server


def require_package() -> None:
    """Raises EmbeddedServiceError where chdb-core does not exist for this platform."""
    import importlib.util

    if importlib.util.find_spec("chdb") is None:
        raise EmbeddedServiceError(
            f"the embedded ClickHouse (package chdb-core) does not exist for this platform: {REMEDY}"
        )


def _explain(how: str, words: str, folder: Path, log: Path) -> str:
    said = f"the embedded ClickHouse did not start ({how}; {log}):\n{words}\n"
    lowered = words.lower()
    if "Code: 76" in words:
        return f"{said}{folder} is in use by another ClickHouse server: end it, or choose another BABELWATCH_DATA_DIR"
    if "Code: 210" in words or "address already in use" in lowered:
        return f"{said}a port is taken: choose another, or {REMEDY}"
    if "no space left" in lowered or "Code: 243" in words:
        return f"{said}the disk that holds {folder} is full: free space, or choose another BABELWATCH_DATA_DIR"
    if "permission denied" in lowered or "read-only file system" in lowered:
        return f"{said}{folder} is not writable: correct its rights, or choose another BABELWATCH_DATA_DIR"
    return f"{said}{REMEDY}"
