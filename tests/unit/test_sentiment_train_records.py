"""What a training leaves on the disk: whole files or none, records that are verified, identities that never change."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from pipeline import durable
from pipeline.sentiment.training.config import Labelled, Pairs, Stage, TrainConfig, Unlabelled
from pipeline.sentiment.training.runs import (
    Machine,
    RunFacts,
    StageFacts,
    file_facts,
    is_finished,
    read_stage,
)
from pipeline.sentiment.training.stages import stage_identity

STAGE = Stage(
    name="s",
    teacher=["t"],
    labelled=[Labelled(files=["a.tsv"])],
    pairs=[Pairs(files=["p.tsv"])],
    unlabelled=[Unlabelled(files=["u.txt"])],
)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "stage.json"
    durable.replace_text(path, "old")

    def killed(partial: Path) -> None:
        partial.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        durable.replace(path, killed)
    assert path.read_text() == "old"
    durable.replace_text(path, "new")
    assert [one.name for one in tmp_path.iterdir()] == ["stage.json"]
    assert path.read_text() == "new"


def test_a_folder_is_removed_at_once(tmp_path: Path) -> None:
    for name in (".removed", "checkpoint-5"):  # the first: from one that was killed while it removed
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    durable.remove_folder(tmp_path / "checkpoint-5")
    assert not list(tmp_path.iterdir())


def test_the_identity_of_a_stage_is_what_it_was() -> None:
    """Both values were computed before `stage_identity` existed: another one throws finished stages away."""
    for prefix, known in ((None, "27679042a7b04972"), ("", "2fa1f84e782f2bc3")):
        stage = msgspec.structs.replace(STAGE, prefix=prefix)
        assert stage_identity(stage, {"a.tsv": "0"}, ["1"], 8, "e") == known


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "s"
    folder.mkdir()
    head = {"head.weight": np.ones((3, 4), np.float32), "head.bias": np.zeros(3, np.float32)}
    save_file(head, str(folder / "weights.safetensors"))
    facts = StageFacts(
        id="i",
        stage=STAGE,
        data={},
        examples=1,
        tokens=1,
        seconds=1,
        weights=file_facts(folder / "weights.safetensors"),
    )
    (folder / "stage.json").write_text(json.dumps(msgspec.to_builtins(facts)))
    return folder


def test_a_finished_stage_is_taken_when_its_weights_are_what_was_written(finished: Path) -> None:
    said: list[str] = []
    assert is_finished(finished, "i", said.append)
    assert not is_finished(finished, "another", said.append)
    assert not said
    save_file({"head.bias": np.ones(3, np.float32)}, str(finished / "weights.safetensors"))
    assert not is_finished(finished, "i", said.append)
    assert "weights.safetensors is not the file that stage.json tells of" in said.pop()
    (finished / "weights.safetensors").unlink()
    assert not is_finished(finished, "i", said.append)
    assert "weights.safetensors is not there" in said.pop()
    (finished / "stage.json").write_text("{")
    assert not is_finished(finished, "i", said.append)
    assert "stage.json is damaged" in said.pop()


def test_a_stage_from_before_its_checksum_was_recorded_is_taken_when_it_can_be_read(finished: Path) -> None:
    facts = json.loads((finished / "stage.json").read_text())
    del facts["weights"]
    (finished / "stage.json").write_text(json.dumps(facts))
    said: list[str] = []
    assert read_stage(finished).weights is None
    assert is_finished(finished, "i", said.append)
    with (finished / "weights.safetensors").open("r+b") as file:
        file.truncate(50)
    assert not is_finished(finished, "i", said.append)
    assert "is not a readable safetensors file" in said.pop()


def test_a_run_from_before_the_file_of_its_configuration_was_recorded_is_read() -> None:
    machine = Machine(processor="", cores=1, memory_gb=1, system="")
    config = TrainConfig(name="r", stages=[STAGE])
    facts = RunFacts(config=config, data="", encoder="", files={}, weights={}, packages={}, machine=machine)
    old = msgspec.to_builtins(facts)
    del old["config_file"]
    assert msgspec.convert(old, RunFacts) == facts
