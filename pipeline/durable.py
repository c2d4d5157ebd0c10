"""Files that are whole or not there, whenever the process is killed or the power goes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path``, bring it to the disk, then put it in the place of ``path`` at once.

    A kill leaves the old ``path`` or the new one, and at most a hidden partial file that the next call overwrites.
    Raises what ``write`` raises, and OSError.
    """
    partial = path.with_name(f".{path.name}.partial")
    write(partial)
    sync(partial)
    os.replace(partial, path)
    sync(path.parent)


def replace_bytes(path: Path, data: bytes) -> None:
    """:func:`replace` with ``data``. Raises OSError."""
    replace(path, lambda partial: partial.write_bytes(data))


def replace_text(path: Path, text: str) -> None:
    """:func:`replace` with UTF-8 text. Raises OSError."""
    replace_bytes(path, text.encode())


def remove_folder(path: Path) -> None:
    """Remove a folder at once: a kill leaves the whole of it, or at most a hidden folder that the next call removes.

    Raises OSError.
    """
    hidden = path.with_name(".removed")
    if hidden.exists():
        shutil.rmtree(hidden)
    path.rename(hidden)
    shutil.rmtree(hidden)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
