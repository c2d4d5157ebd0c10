"""Where the progress, the rejects and the rows out of range of a file are kept, and whether that can be written."""

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pipeline.errors import InputError

SUFFIX: Final = ".babelwatch-ingest"
REJECTS: Final = ".rejects.jsonl"
OUT_OF_RANGE: Final = ".out-of-range.jsonl"
OPTION: Final = "--state-dir FOLDER"
"""The option of every command that keeps something of a file."""
PROBE_BYTES: Final = 4096
"""More than a checkpoint has: a full disk is found out, too."""


@dataclass(frozen=True)
class Place:
    """The files that belong to one input."""

    state: Path
    rejects: Path
    out_of_range: Path

    @classmethod
    def of(cls, file: str, folder: Path | None) -> Self:
        """Beside ``file``, or in ``folder`` under its name without folders."""
        base = file if folder is None else str(folder / Path(file).name)
        return cls(Path(base + SUFFIX), Path(base + REJECTS), Path(base + OUT_OF_RANGE))


def check_replaceable(path: Path, option: str = OPTION) -> None:
    """Raise InputError, which names ``option``, when ``pipeline.durable.replace`` could not put a file there.

    Found out by writing: neither modes nor `access` tell of a full disk, a read-only mount or a name that is too long.
    """
    # the name that durable.replace writes first; a leftover of a killed run is overwritten by it as well
    partial = path.with_name(f".{path.name}.partial")
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        partial.write_bytes(bytes(PROBE_BYTES))
        partial.unlink()
    except OSError as error:
        raise unwritable(path, error, option) from None


def check_appendable(path: Path, option: str = OPTION) -> None:
    """Raise InputError, which names ``option``, when nothing could be added to ``path``; it is left as it was."""
    try:
        there = path.exists()
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except OSError as error:
        raise unwritable(path, error, option) from None


def unwritable(path: Path, error: OSError, option: str = OPTION) -> InputError:
    """``error`` as one that says what to do."""
    return InputError(f"{path}: {error.strerror or error}: use {option} for a place that can be written")
