"""The accounts of the fuzz run can fail: a worker that forgets poison is found."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.embedded
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mutation", ["forget-poison", "drop"])
def test_a_defect_is_found(mutation: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.fuzz", "--messages", "1500", "--mutation", mutation, "--report", str(tmp_path)]
    result = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=580)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    assert "ended nowhere" in result.stdout
