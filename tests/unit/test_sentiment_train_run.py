"""A small training from end to end: it learns, it is the same twice, it goes on after SIGKILL, it stops at NaN.

Needs the extra ``train``.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.errors import ModelError
from pipeline.sentiment.training.weights import layer_count

pytest.importorskip("torch", reason="the extra `train` is not installed (torch)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

WORDS = {"negative": "awful broken terrible", "neutral": "table seven tuesday", "positive": "lovely great happy"}
CONFIG = """
name = "small"
held_out = 0
[[stages]]
name = "english"
layers = [0, 11]
epochs = 8
batch = 8
lr = LR
[[stages.labelled]]
files = ["english.tsv"]
text = "text"
label = "label"
[[stages]]
name = "transfer"
start = ["english"]
teacher = ["english"]
batch = 8
[[stages.pairs]]
files = ["pairs.tsv"]
both_sides = 0.5
[[stages.unlabelled]]
files = ["texts.txt"]
select = 0.9
[[stages]]
name = "soup"
start = ["english", "transfer"]
[[stages]]
name = "student"
start = ["soup"]
teacher = ["soup"]
layers = [1]
prefix = ""
hidden_loss = 1.0
batch = 8
[[stages.unlabelled]]
files = ["texts.txt"]
"""
STAGES = ("english", "transfer", "soup", "student")
CODE = """
import sys
from pathlib import Path
from pipeline.sentiment.training import loop
from pipeline.sentiment.training.config import read_config
from pipeline.sentiment.training.stages import Run
loop.CHECKPOINT_STEPS = 5
folder = Path(sys.argv[1])
Run(read_config(folder / "run.toml"), folder, folder / sys.argv[2], Path(sys.argv[3]), print).all()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = ["text\tlabel"]
    for label, words in WORDS.items():
        lines += [f"number {n} is {word}\t{label}" for n in range(12) for word in words.split()]
    (tmp_path / "english.tsv").write_text("\n".join(lines) + "\n")
    (tmp_path / "pairs.tsv").write_text("".join(f"{n} lovely\t{n} schön\n{n} awful\t{n} furchtbar\n" for n in range(9)))
    (tmp_path / "texts.txt").write_text("".join(f"{n} wunderbar\n{n} kaputt\n" for n in range(9)))
    (tmp_path / "run.toml").write_text(CONFIG.replace("LR", "5e-4"))
    return tmp_path


def start(folder: Path, output: str) -> subprocess.Popen[str]:
    cache = Path.home() / ".cache" / "babelwatch"
    command = [sys.executable, "-c", CODE, str(folder), output, str(cache)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def weights(folder: Path, output: str) -> dict[str, np.ndarray]:
    return load_file(str(folder / output / "transfer" / "weights.safetensors"))


def test_a_run_learns_and_goes_on_after_being_killed(folder: Path) -> None:
    whole = start(folder, "whole")
    out, err = whole.communicate(timeout=300)
    assert whole.returncode == 0, err
    assert "transfer" in out
    facts = json.loads((folder / "whole" / "english" / "stage.json").read_text())
    losses = [float(line["loss"]) for line in facts["history"] if "loss" in line]
    assert losses[-1] < 0.7 * losses[0]
    assert set(facts["data"]) == {"english.tsv"}

    killed = start(folder, "killed")
    deadline = time.monotonic() + 120
    while not list((folder / "killed").glob("*/checkpoint-10/averaged.safetensors")):
        assert time.monotonic() < deadline
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    again = start(folder, "killed")
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    one, other = weights(folder, "whole"), weights(folder, "killed")
    assert one.keys() == other.keys()
    assert max(float(np.abs(one[key] - other[key]).max()) for key in one) < 1e-5

    done = start(folder, "killed")
    out, err = done.communicate(timeout=300)
    assert out.count("done before") == 4
    stages = {name: load_file(str(folder / "whole" / name / "weights.safetensors")) for name in STAGES}
    english, transfer, soup, student = stages.values()
    assert all(np.allclose(soup[key], (english[key] + transfer[key]) / 2, atol=1e-6) for key in soup)
    assert layer_count(student) == 1


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_checkpoint(folder: Path) -> None:
    (folder / "run.toml").write_text(CONFIG.replace("LR", "1e30"))
    code = CODE.replace("loop.CHECKPOINT_STEPS = 5", "loop.CHECKPOINT_STEPS = 1")
    ended = subprocess.run(
        [sys.executable, "-c", code, str(folder), "run", str(Path.home() / ".cache" / "babelwatch")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ModelError.__name__ in ended.stderr
    assert "the loss is no number at step" in ended.stderr
    assert "lower lr" in ended.stderr
    assert list((folder / "run" / "english").glob("checkpoint-*"))
