"""Programs that faults need, fetched into a cache outside the tree; each says why it cannot be had."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.services import CACHE

TOXIPROXY: Final = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
FOLDER: Final = CACHE.parent / "chaos"


class NotHere(Exception):
    """This machine does not have it; the text says why."""


def toxiproxy() -> Path:
    """Toxiproxy's server, built by Go. Raises NotHere."""
    folder = FOLDER / "toxiproxy-2.12.0"
    program = folder / "server"
    if not program.exists():
        if shutil.which("go") is None:
            raise NotHere("Toxiproxy needs Go (`go install`), which this machine does not have")
        _run(["go", "install", TOXIPROXY], "go install", env=os.environ | {"GOBIN": str(folder)})
    return program


def libfaketime() -> Path:
    """libfaketime for programs with threads, from Debian's package (unpacked, not installed). Raises NotHere."""
    folder = FOLDER / "libfaketime"
    if not (found := list(folder.glob("usr/lib/*/faketime/libfaketimeMT.so.1"))):
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            raise NotHere("libfaketime comes from Debian's package, and this machine has no apt-get")
        folder.mkdir(parents=True, exist_ok=True)
        _run(["apt-get", "-q", "download", "libfaketime"], "apt-get download", cwd=folder)
        (package,) = folder.glob("libfaketime_*.deb")
        _run(["dpkg", "-x", str(package), str(folder)], "dpkg -x")
        found = list(folder.glob("usr/lib/*/faketime/libfaketimeMT.so.1"))
    return found[0]


def _run(argv: list[str], what: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    try:
        result = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300, env=env, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"{what} did not work: {error}") from None
    if result.returncode:
        raise NotHere(f"{what} did not work: {(result.stdout + result.stderr).strip()[-200:]}")
