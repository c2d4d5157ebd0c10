"""Checkpoints: the average goes on where it was, on a GPU too; only good ones are written and gone on from."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch", reason="the extra `train` is not installed (torch)")

import torch
from safetensors.torch import load_file, save_file

from pipeline.errors import ModelError
from pipeline.sentiment.training.checkpoints import AverageWeights, last_checkpoint, stopped

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")),
]


def step(averaged: AverageWeights, folder: Path, number: int, save: bool = False) -> None:
    arguments, state = SimpleNamespace(output_dir=str(folder)), SimpleNamespace(global_step=number, max_steps=10)
    averaged.on_step_end(arguments, state, SimpleNamespace(should_save=save))
    if save:
        checkpoint = folder / f"checkpoint-{number}"
        checkpoint.mkdir(parents=True)
        save_file(averaged._network.state_dict(), str(checkpoint / "model.safetensors"))
        averaged.on_save(arguments, state, SimpleNamespace())


def fill(network: torch.nn.Module, value: float) -> None:
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, value)


@pytest.mark.parametrize("device", DEVICES)
def test_the_average_goes_on_from_a_checkpoint(tmp_path: Path, device: str) -> None:
    folder = tmp_path / "stage"
    network = torch.nn.Linear(2, 2).to(device)
    first = AverageWeights(network, 0.1, time.monotonic() - 100.0)
    for number, value in enumerate((50.0, 1.0, 2.0), 1):  # the first step is before the average begins
        fill(network, value)
        step(first, folder, number, save=number == 3)
    second = AverageWeights(network, 0.1, time.monotonic())
    second.load(folder / "checkpoint-3")
    assert 100.0 <= second.seconds < 160.0
    fill(network, 6.0)
    step(second, folder, 4)
    assert all(torch.equal(value, torch.full_like(value, 3.0)) for value in second.sums.values())
    assert {value.device.type for value in second.sums.values()} == {device}


def test_a_checkpoint_from_before_seconds_were_kept_counts_none(tmp_path: Path) -> None:
    averaged = AverageWeights(torch.nn.Linear(2, 2), 0.0, time.monotonic())
    step(averaged, tmp_path, 1, save=True)
    path = tmp_path / "checkpoint-1" / "averaged.safetensors"
    tensors = load_file(str(path))
    del tensors["seconds"]
    save_file(tensors, str(path))
    averaged.load(tmp_path / "checkpoint-1")
    assert averaged.seconds == 0.0
    assert averaged.sums.keys() == {"weight", "bias"}


def test_weights_that_are_no_numbers_do_not_become_a_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / "english"
    network = torch.nn.Linear(2, 2)
    averaged = AverageWeights(network, 0.5, time.monotonic())
    step(averaged, folder, 2, save=True)
    fill(network, float("inf"))
    step(averaged, folder, 3)
    with pytest.raises(
        ModelError,
        match=r"stage english: weights are no numbers after step 4 \(weight\); the last good checkpoint is kept in "
        r"\S+checkpoint-2\. Lower lr or raise warmup and run again: that begins the stage anew, and moves what is "
        r"there now to english\.old",
    ):
        step(averaged, folder, 4, save=True)
    assert [path.name for path in folder.iterdir()] == ["checkpoint-2"]


def test_only_a_good_checkpoint_is_gone_on_from(tmp_path: Path) -> None:
    averaged = AverageWeights(torch.nn.Linear(2, 2), 0.0, time.monotonic())
    for number in (5, 10, 100, 105):
        step(averaged, tmp_path, number, save=True)
    (tmp_path / "checkpoint-105" / "averaged.safetensors").unlink()
    with (tmp_path / "checkpoint-100" / "averaged.safetensors").open("r+b") as file:
        file.truncate(100)
    save_file({"weight": torch.tensor(float("nan"))}, str(tmp_path / "checkpoint-10" / "model.safetensors"))
    said: list[str] = []
    assert last_checkpoint(tmp_path, said.append) == tmp_path / "checkpoint-5"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]
    assert "checkpoint-105 is passed over and removed: averaged.safetensors is not there" in said[0]
    assert "checkpoint-100 is passed over and removed: averaged.safetensors is damaged" in said[1]
    assert "checkpoint-10 is passed over and removed: model.safetensors: weight holds values" in said[2]


def test_without_a_checkpoint_the_message_says_so(tmp_path: Path) -> None:
    assert "no good checkpoint had been written yet" in str(stopped(tmp_path / "english", "the loss is no number"))
