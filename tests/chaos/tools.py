"""Programs that faults need, fetched into a cache outside the tree; each says why it cannot be had."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.services import CACHE

TOXIPROXY: Final = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
LIBFAKETIME: Final = "libfaketime==3.0.1"
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
    """libfaketime, from its package on PyPI. Raises NotHere.

    Not Debian's 0.9.10: there ``time.sleep`` of Python 3.11 fails with EINVAL as soon as only the wall clock is faked.
    """
    folder = FOLDER / LIBFAKETIME.replace("==", "-")
    library = folder / "libfaketime" / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
    if not library.exists():
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-deps"]
        _run([*pip, "--target", str(folder), LIBFAKETIME], "pip install")
    if not library.exists():
        raise NotHere(f"{LIBFAKETIME} brings no library for this platform")
    return library


def _run(argv: list[str], what: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    try:
        result = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=300, env=env, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"{what} did not work: {error}") from None
    if result.returncode:
        raise NotHere(f"{what} did not work: {(result.stdout + result.stderr).strip()[-200:]}")
