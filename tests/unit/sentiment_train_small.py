"""A small training in a process of its own, as the command runs it: four stages on made-up English."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

WORDS = {"negative": "awful broken terrible", "neutral": "table seven tuesday", "positive": "lovely great happy"}
ENGLISH = """
name = "small"
held_out = 0
[[stages]]
name = "english"
layers = [0, 11]
epochs = 8
batch = 8
lr = 5e-4
[[stages.labelled]]
files = ["english.tsv"]
text = "text"
label = "label"
"""
"""Its first stage alone."""
CONFIG = (
    ENGLISH
    + """
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
)
STAGES = ("english", "transfer", "soup", "student")
CODE = """
import os, signal, sys
import torch
from pipeline.cli.model.train import command
from pipeline.sentiment.training import loop
loop.CHECKPOINT_STEPS = 20
exec(sys.argv[3])
command.main([sys.argv[1], "--output", sys.argv[2], "--threads", "1"], standalone_mode=False)
"""


def write_data(folder: Path, config: str = CONFIG) -> Path:
    """What the configuration reads, and ``run.toml``. Returns the folder."""
    folder.mkdir(exist_ok=True)
    lines = ["text\tlabel"]
    for label, words in WORDS.items():
        lines += [f"number {n} is {word}\t{label}" for n in range(12) for word in words.split()]
    (folder / "english.tsv").write_text("\n".join(lines) + "\n")
    (folder / "pairs.tsv").write_text("".join(f"{n} lovely\t{n} schön\n{n} awful\t{n} furchtbar\n" for n in range(9)))
    (folder / "texts.txt").write_text("".join(f"{n} wunderbar\n{n} kaputt\n" for n in range(9)))
    (folder / "run.toml").write_text(config)
    return folder


def start(folder: Path, output: str, before: str = "") -> subprocess.Popen[str]:
    """Start the training; ``before`` is code that runs first, for crashes at a chosen moment."""
    command = [sys.executable, "-c", CODE, str(folder / "run.toml"), str(folder / output), before]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def train(folder: Path, output: str) -> str:
    """Train to the end. Returns what stood on standard error."""
    process = start(folder, output)
    _, said = process.communicate(timeout=800)
    assert process.returncode == 0, said
    return said


def weights(folder: Path, output: str, stage: str) -> dict[str, np.ndarray]:
    """A stage's weights."""
    return load_file(str(folder / output / stage / "weights.safetensors"))


def record(folder: Path, output: str, stage: str) -> dict[str, Any]:
    """A stage's ``stage.json``."""
    found: dict[str, Any] = json.loads((folder / output / stage / "stage.json").read_text())
    return found


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether two sets of weights are equal to the last bit."""
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key]) for key in one)
