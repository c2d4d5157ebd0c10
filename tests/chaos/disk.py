"""A small disk for ClickHouse, so that it can be filled: a tmpfs in a mount namespace of the harness's own.

The mount is seen by this process and its children only and is gone with them, however they end.
"""

import ctypes
import os
import subprocess
from pathlib import Path
from typing import Final

from tests.chaos.tools import NotHere

_CLONE_NEWNS: Final = 0x00020000


def own_mounts() -> None:
    """Give this process mounts of its own. Call it before any thread is started. Raises NotHere."""
    if os.geteuid() != 0:
        raise NotHere("a disk of its own needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise NotHere(f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    _run("mount", "--make-rprivate", "/")


class Disk:
    """A tmpfs of ``size_bytes`` at ``folder``."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        """Mount it, after :func:`own_mounts`. Raises NotHere."""
        self._folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder))

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("ab", buffering=0) as file:
            for block in (2**20, 2**12, 1):
                try:
                    while True:
                        file.write(b"\0" * block)
                except OSError:
                    continue

    def free(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    def remove(self) -> None:
        """Give its memory back, and all that is on it."""
        _run("umount", "--lazy", str(self._folder))


def _run(*argv: str) -> None:
    try:
        result = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=10)
    except OSError as error:
        raise NotHere(f"{argv[0]}: {error}") from None
    if result.returncode:
        raise NotHere(f"{' '.join(argv[:3])}: {result.stderr.strip()}")
