"""Checks of this machine: Python, packages, memory, folders, disks, ports, the model and the brands file."""

import importlib.metadata
import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psutil

from pipeline.doctor.finding import Finding, fail, ok, skip, warn
from pipeline.embedded.files import Run
from pipeline.embedded.ports import is_free
from pipeline.problems import hidden_workers
from pipeline.settings import Settings

OLDEST: Final = (3, 11)
NEWEST: Final = (3, 13)
MEMORY_BYTES: Final = 2 * 2**30
"""Sentiment 0.7, other workers 0.3, dashboard 0.1, ClickHouse 0.4 and more under load (GiB)."""
DISK_BYTES: Final = 2 * 2**30
DISK_LEAST_BYTES: Final = 256 * 2**20
CACHE_BYTES: Final = 400 * 2**20
"""The unpacked embeddings are 192 MB, twice that while they are renewed."""
_PINNED: Final = re.compile(r"^([A-Za-z0-9._-]+)==([^;\s]+)\s*$")


def python() -> Iterator[Finding]:
    """Version of Python, platform."""
    version = platform.python_version()
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        yield ok("python", f"{version}, {sys.executable}")
    else:
        yield fail("python", version, "use Python 3.11 to 3.13: `make PYTHON=python3.12 setup` in a fresh clone")
    where = f"{platform.system()} {platform.machine()}"
    if (platform.system(), platform.machine()) == ("Linux", "x86_64"):
        yield ok("platform", where)
    else:
        yield warn(
            "platform",
            f"{where}: measured and tested on Linux x86-64 only",
            "where the embedded services do not exist, set KAFKA_BROKERS and CLICKHOUSE_URL",
        )


def packages() -> Iterator[Finding]:
    """Installed versions against the pinned ones."""
    try:
        required = importlib.metadata.requires("babelwatch") or []
    except importlib.metadata.PackageNotFoundError:
        yield warn("packages", "babelwatch is not installed here", "run `make setup`")
        return
    wrong = []
    pins = [found.groups() for line in required if (found := _PINNED.match(line))]
    for name, wanted in pins:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if version != wanted:
            wrong.append(f"{name} {version} instead of {wanted}")
    if wrong:
        yield fail("packages", "; ".join(wrong), "run `make setup` (installs exactly what the lock file names)")
    else:
        yield ok("packages", f"{len(pins)} as pinned")


def memory() -> Iterator[Finding]:
    """Memory for everything on one machine."""
    available = psutil.virtual_memory().available
    if available < MEMORY_BYTES:
        yield warn(
            "memory",
            f"{available / 2**30:.1f} GiB available",
            "all of it on one machine takes about 2 GiB: stop something, or put Kafka and ClickHouse elsewhere",
        )
    else:
        yield ok("memory", f"{available / 2**30:.1f} GiB available")


def folders(settings: Settings) -> Iterator[Finding]:
    """Data folder and cache: may we write, is there room."""
    for check, folder, variable, wanted in (
        ("data folder", settings.data_dir, "BABELWATCH_DATA_DIR", DISK_BYTES),
        ("cache folder", settings.cache_dir, "BABELWATCH_CACHE_DIR", CACHE_BYTES),
    ):
        folder = folder.absolute()  # noqa: PLW2901
        nearest = next(p for p in (folder, *folder.parents) if p.exists())
        problem = _not_writable(nearest)
        if problem:
            yield fail(check, f"{folder}: {problem}", f"correct it, or choose another folder with {variable}")
            continue
        free = shutil.disk_usage(nearest).free
        room = f"{folder}: {free / 2**30:.1f} GiB free"
        if free < DISK_LEAST_BYTES:
            yield fail(check, room, f"free some space, or choose another folder with {variable}")
        elif free < wanted:
            yield warn(check, room, f"{wanted / 2**30:.1f} GiB are advised: free some space")
        else:
            yield ok(check, room)


def stack(settings: Settings) -> Iterator[Finding]:
    """Whether a stack runs here, and if not, whether one could."""
    run = Run.read(settings.data_dir)
    if run is not None and settings.kafka_brokers is not None:
        note = hidden_workers(run.kafka_brokers, settings.kafka_brokers)
        if note:
            yield skip("stack", f"{note} (it is on Kafka at {run.kafka_brokers})")
            return
    if run is not None:
        dead = [f"{w.role} ({w.state}: {w.ended})" for w in run.workers.values() if w.state != "running"]
        found = f"runs since {run.started_at}, process {run.pid}"
        if dead:
            logs = settings.data_dir.absolute() / "logs"
            yield fail("stack", f"{found}; not running: {', '.join(dead)}", f"look into {logs}")
        else:
            yield ok("stack", found)
        return
    yield skip("stack", "none runs on this data folder")
    host, port = settings.dashboard_host, settings.dashboard_port
    if port and not is_free(port, host):
        yield warn("dashboard port", f"{port} of {host} is taken", "free it, or set BABELWATCH_DASHBOARD_PORT")
    elif port:
        yield ok("dashboard port", f"{port} of {host} is free")


def embedded(settings: Settings) -> Iterator[Finding]:
    """Whether the embedded services exist for this platform; only where they would be used."""
    if settings.kafka_brokers is None:
        from pipeline.embedded.broker import program

        yield ok("embedded broker", program())
    if settings.clickhouse_url is None:
        from pipeline.embedded.clickhouse import require_package

        require_package()
        yield ok("embedded clickhouse", f"chdb-core {importlib.metadata.version('chdb-core')}")


def model(settings: Settings) -> Iterator[Finding]:
    """The model's folder, verified file by file, and the unpacked embeddings."""
    from pipeline.sentiment.cache import embeddings_path
    from pipeline.sentiment.folder import ModelFolder

    folder = ModelFolder(settings.model_path)
    yield ok("model", f"{folder.version}, files intact ({settings.model_path})")
    path = embeddings_path(settings.cache_dir)
    if path.exists():
        yield ok("embeddings", str(path))
    else:
        yield skip("embeddings", f"not unpacked yet: the first start does it ({path})")


def brands(settings: Settings) -> Iterator[Finding]:
    """The brands file."""
    from pipeline.brands import load_brands

    catalogue = load_brands(settings.brands_file)
    yield ok("brands file", f"{settings.brands_file}: {len(catalogue.brands)} brands")


def _not_writable(folder: Path) -> str:
    """Return why a file cannot be written in ``folder``, or an empty text. Trying is the only honest test."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".babelwatch-doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return f"not writable ({error.strerror})"
    return ""
