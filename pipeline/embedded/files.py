"""Files with secrets, mode 600 from their first byte on: ``secrets.json`` lives on, ``run.json`` while a stack runs."""

import json
import logging
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from pipeline.embedded.processes import is_running
from pipeline.errors import EmbeddedServiceError

log = logging.getLogger(__name__)

SECRETS: Final = "secrets.json"
RUN: Final = "run.json"
MODE: Final = 0o600


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only its owner can read, at once or not at all. Raises OSError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    file = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, MODE)
    try:
        os.fchmod(file, MODE)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1)
            stream.write("\n")
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@dataclass(frozen=True)
class Secrets:
    """Made once per data folder. The author key has to stay: it is in every stored ``author_key``."""

    clickhouse_password: str = field(repr=False)
    api_token: str = field(repr=False)
    author_key: str = field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> "Secrets":
        """Read the folder's secrets, making them on the first call. Raises EmbeddedServiceError for a damaged file."""
        path = folder / SECRETS
        try:
            if not path.exists():
                made = cls(*(secrets.token_urlsafe(24) for _ in fields(cls)))
                write_private(path, asdict(made))
                return made
            if path.stat().st_mode & 0o077:
                log.warning("%s could be read by others: its mode is 600 again", path)
                path.chmod(MODE)
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{f.name: _text(content[f.name]) for f in fields(cls)})
        except OSError as error:
            raise EmbeddedServiceError(
                f"{path} cannot be used ({error.strerror}): correct it, or choose another BABELWATCH_DATA_DIR"
            ) from None
        except (ValueError, KeyError, TypeError):
            raise EmbeddedServiceError(
                f"{path} is damaged: put it back from a backup. Without one, remove it: new secrets are made, and "
                "authors that were stored before count as other people"
            ) from None


@dataclass(frozen=True)
class WorkerRun:
    """One worker of a running stack. ``web``: where its pages are."""

    role: str
    pid: int
    web: str
    state: str = "running"
    """running, restarting, or failed."""
    restarts: int = 0
    ended: str = ""
    """How it ended the last time."""
    crash_looping: bool = False
    """It ended several times in a row soon after its start."""


@dataclass(frozen=True)
class Run:
    """What other commands need to know of a running stack."""

    pid: int
    identity: str
    started_at: str
    kafka_brokers: str
    kafka_embedded: bool
    clickhouse_url: str = field(repr=False)
    clickhouse_embedded: bool
    clickhouse_http_url: str
    api_token: str = field(repr=False)
    author_key: str = field(repr=False)
    dashboard_url: str
    dashboard_port: int
    processes: dict[str, int]
    """Name -> pid of every child."""
    workers: dict[str, WorkerRun]
    metrics_url: str = ""
    """Metrics of `up` itself: restarts, wedged and crash-looping processes."""

    def write(self, folder: Path) -> None:
        """Write ``run.json``. Raises OSError."""
        write_private(folder / RUN, asdict(self))

    @classmethod
    def read(cls, folder: Path) -> "Run | None":
        """Return the stack that runs on ``folder``, or None when none does (a file left by a dead one is no stack)."""
        try:
            content = json.loads((folder / RUN).read_text(encoding="utf-8"))
            workers = {role: WorkerRun(**worker) for role, worker in content.pop("workers").items()}
            run = cls(**content, workers=workers)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return run if is_running(run.pid, run.identity) else None


def remove_run(folder: Path) -> None:
    """Remove ``run.json``."""
    (folder / RUN).unlink(missing_ok=True)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value
