"""The code of an earlier commit, from git, to run beside today's: what an upgrade meets."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMIT = "c2cf219"
"""The build that wrote tests/fixtures/versions. It moves on when a build is released that others upgrade from."""


def extract(folder: Path, *paths: str) -> Path:
    """Unpack ``paths`` of the pinned commit into ``folder``; skip the test where git or the commit is not there."""
    archive = folder / "yesterday.tar"
    folder.mkdir(parents=True, exist_ok=True)
    command = ["git", "-C", str(ROOT), "archive", "--format=tar", "-o", str(archive), COMMIT, *paths]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        pytest.skip(f"yesterday's code comes from git, which cannot be run: {error}")
    if done.returncode:
        pytest.skip(f"commit {COMMIT} is not in this clone (a shallow one, or none): {done.stderr.strip()[:200]}")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Variables with which Python imports the code in ``folder``, and not today's."""
    return os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
