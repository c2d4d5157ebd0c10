"""A small training from end to end: it learns, it is the same twice, it says what it does, it goes on after SIGKILL
and after damage, it stops at NaN.

Needs the extra ``train``.
"""

import hashlib
import json
import os
import re
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pipeline.errors import ModelError
from pipeline.sentiment.training.weights import layer_count
from tests.unit.sentiment_train_small import (
    ENGLISH,
    STAGES,
    record,
    same,
    start,
    train,
    weights,
    write_data,
)

pytest.importorskip("torch", reason="the extra `train` is not installed (torch)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KILL_AFTER_STEP_15 = """
loop.CHECKPOINT_STEPS = 5
save = loop.AverageWeights.on_save
def killed(self, args, state, control, **rest):
    save(self, args, state, control, **rest)
    if state.global_step == 15:
        os.kill(os.getpid(), signal.SIGKILL)
loop.AverageWeights.on_save = killed
"""
KILL_AFTER_LAST_STEP = KILL_AFTER_STEP_15.replace("== 15", "== state.max_steps")
BROKEN_AT_STEP_10 = """
loop.CHECKPOINT_STEPS = 5
end = loop.AverageWeights.on_step_end
def broken(self, args, state, control, **rest):
    if state.global_step == 10:
        torch.nn.init.constant_(self._network.head.bias, float("nan"))
    end(self, args, state, control, **rest)
loop.AverageWeights.on_step_end = broken
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("train"))


@pytest.fixture(scope="module")
def said(folder: Path) -> str:
    """What a run that nothing interrupted said; it is in ``whole``."""
    return train(folder, "whole")


def test_it_learns_from_what_its_record_says(folder: Path, said: str) -> None:
    facts = record(folder, "whole", "english")
    losses = [float(line["loss"]) for line in facts["history"] if "loss" in line]
    assert losses[-1] < 0.7 * losses[0]
    assert set(facts["data"]) == {"english.tsv"}
    stages = {name: weights(folder, "whole", name) for name in STAGES}
    english, transfer, soup, student = stages.values()
    assert all(np.allclose(soup[key], (english[key] + transfer[key]) / 2, atol=1e-6) for key in soup)
    assert layer_count(student) == 1
    run = json.loads((folder / "whole" / "run.json").read_text())
    assert run["config_file"] == {
        "name": "run.toml",
        "sha256": hashlib.sha256((folder / "run.toml").read_bytes()).hexdigest(),
    }
    assert {name: record(folder, "whole", name)["weights"] for name in STAGES} == run["weights"]


def test_loss_rate_and_time_left_are_seen_and_there_is_a_plot(folder: Path, said: str) -> None:
    assert re.search(
        r"^english \(stage 1 of 4\): step 112 of 112, loss \d\.\d+, \d+ texts/s, 0\.0 minutes left of this stage$",
        said,
        re.MULTILINE,
    )
    assert "student (stage 4 of 4): step 3 of 3" in said
    picture = folder / "whole" / "training.png"
    assert f"plots: {picture}" in said
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_the_same_configuration_gives_the_same_weights(folder: Path, said: str) -> None:
    train(folder, "twice")
    assert all(same(weights(folder, "whole", name), weights(folder, "twice", name)) for name in STAGES)


def test_it_goes_on_after_being_killed_at_any_moment(folder: Path, said: str) -> None:
    killed = start(folder, "killed")
    deadline = time.monotonic() + 600
    while not list((folder / "killed" / "english").glob("checkpoint-*/averaged.safetensors")):
        assert time.monotonic() < deadline
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert "stage english: goes on from checkpoint-" in train(folder, "killed")
    assert all(same(weights(folder, "whole", name), weights(folder, "killed", name)) for name in STAGES)
    assert train(folder, "killed").count("done before") == len(STAGES)


def test_a_cut_checkpoint_is_passed_over_and_seconds_are_those_of_all_starts(folder: Path, said: str) -> None:
    other = write_data(folder / "cut", ENGLISH)
    process = start(other, "run", KILL_AFTER_STEP_15)
    process.communicate(timeout=800)
    assert process.returncode == -signal.SIGKILL
    stage = other / "run" / "english"
    os.truncate(stage / "checkpoint-15" / "averaged.safetensors", 1000)
    good = stage / "checkpoint-10" / "averaged.safetensors"
    save_file({**load_file(str(good)), "seconds": np.array(5000.0)}, str(good))
    again = train(other, "run")
    assert "checkpoint-15 is passed over and removed: averaged.safetensors is damaged" in again
    assert "goes on from checkpoint-10" in again
    assert same(weights(folder, "whole", "english"), weights(other, "run", "english"))
    assert 5000 < record(other, "run", "english")["seconds"] < 6000


def test_killed_after_the_last_step_it_makes_no_other(tmp_path: Path) -> None:
    folder = write_data(tmp_path, ENGLISH.replace("epochs = 8", "epochs = 0.3"))  # ends within an epoch
    process = start(folder, "killed", KILL_AFTER_LAST_STEP)
    process.communicate(timeout=800)
    assert process.returncode == -signal.SIGKILL
    assert "goes on from checkpoint-5" in train(folder, "killed")
    train(folder, "whole")
    assert same(weights(folder, "whole", "english"), weights(folder, "killed", "english"))


def test_damaged_records_and_weights_are_made_again(folder: Path, said: str) -> None:
    damaged = folder / "damaged"
    shutil.copytree(folder / "whole", damaged)
    for name in ("run.json", "transfer/stage.json", "student/weights.safetensors", "soup/id"):
        os.truncate(damaged / name, (damaged / name).stat().st_size // 2)
    again = train(folder, "damaged")
    assert re.search(
        r"stage transfer: taken as not finished and trained again, because: \S+stage.json is damaged", again
    )
    assert re.search(
        r"stage student: taken as not finished and trained again, because: \S+weights.safetensors is", again
    )
    assert re.findall("stage (.*): done before", again) == ["english", "soup"]
    assert all(same(weights(folder, "whole", name), weights(folder, "damaged", name)) for name in STAGES)
    assert json.loads((damaged / "run.json").read_text())["weights"].keys() == set(STAGES)


@pytest.mark.parametrize(
    ("config", "before", "message"),
    [
        (
            ENGLISH.replace("5e-4", "1e30"),
            "loop.CHECKPOINT_STEPS = 1",
            r"the loss is no number at step (\d+) \(lr 1e\+30",
        ),
        (ENGLISH, BROKEN_AT_STEP_10, r"weights are no numbers after step (\d+) \(head.bias\)"),
    ],
)
def test_no_numbers_stop_it_and_the_last_good_checkpoint_is_kept(
    tmp_path: Path, config: str, before: str, message: str
) -> None:
    folder = write_data(tmp_path, config)
    process = start(folder, "run", before)
    _, said = process.communicate(timeout=800)
    assert process.returncode != 0
    assert ModelError.__name__ in said
    step = re.search(message, said)
    assert step, said
    kept = re.search(r"the last good checkpoint is kept in (\S+checkpoint-(\d+))\. Lower lr or raise warmup", said)
    assert kept, said
    assert int(kept[2]) < int(step[1])
    assert [path.name for path in sorted((folder / "run" / "english").glob("checkpoint-*"))][-1] == Path(kept[1]).name
    for name in ("model.safetensors", "averaged.safetensors"):
        tensors = load_file(str(Path(kept[1]) / name))
        assert all(np.isfinite(value).all() for value in tensors.values())

    (folder / "run.toml").write_text(ENGLISH.replace("epochs = 8", "epochs = 0.1"))
    assert "stage english: begins anew" in train(folder, "run")
    assert (folder / "run" / "english.old" / Path(kept[1]).name / "model.safetensors").is_file()


def test_a_run_of_averages_alone_has_no_plot(tmp_path: Path, said: str, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    from pipeline.sentiment.training.plots import PICTURE, plot_run

    picture = folder / "whole" / PICTURE
    before = picture.read_bytes()
    plot_run(folder / "whole", ["soup"])
    assert picture.read_bytes() == before, "of all stages, as the run left it"
