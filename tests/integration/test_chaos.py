"""The chaos harness finds defects that are put in on purpose: it can fail.

In `make test-faults`, or with `make chaos ARGS=--mutations`. What it says of the pipeline as it is, `make chaos
ARGS=--short` shows in CI.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.mutations import MUTATIONS

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.parametrize("name", list(MUTATIONS))
def test_a_defect_is_found(name: str, tmp_path: Path) -> None:
    # A process of its own: it makes mounts of its own.
    result = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--mutation", name, "--mentions", "800", "--report", str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=280,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 of 1 mutations found" in result.stdout
