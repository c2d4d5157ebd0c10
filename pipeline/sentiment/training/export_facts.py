"""``export.json``: how a model folder was made, and how true it is to the trained network. The card is made of it."""

import json
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from pipeline.errors import ModelError
from pipeline.sentiment.folder import FileFacts, ModelFolder
from pipeline.sentiment.parallel_bias import BiasEstimate
from pipeline.sentiment.training.calibration import ScaleTexts
from pipeline.sentiment.training.config import Stage
from pipeline.sentiment.training.fit_rule import TemperatureFit
from pipeline.sentiment.training.language_temperature import LanguageTemperature
from pipeline.sentiment.training.runs import Machine

FILE: Final = "export.json"
Precision = Literal["int8", "fp32"]


class StageRecord(Struct, frozen=True, kw_only=True):
    """One stage of the training."""

    stage: Stage
    examples: int
    tokens: int
    seconds: int


class Training(Struct, frozen=True, kw_only=True):
    """What made the weights. ``data`` are the files that were read, by their names in the data's folder."""

    run: str
    exported: list[str]
    """The stages whose weights these are; of several the mean."""
    stages: list[StageRecord]
    data: dict[str, FileFacts]
    left_out: list[str]
    """Of ``data``: files whose texts were not trained on, because a model is measured with them."""
    held_out: int
    packages: dict[str, str]
    machine: Machine


class HeldOutFacts(Struct, frozen=True, kw_only=True):
    """Held-out English: texts of each label, and how they were used."""

    kinds: dict[str, int]
    fitted: tuple[int, int, int]
    judged: tuple[int, int, int]


class Agreement(Struct, frozen=True, kw_only=True):
    """On how many texts a graph gives the label of the network in torch, float32."""

    graph: Precision
    on: Literal["english", "other"]
    texts: int
    same: int

    @property
    def share(self) -> float:
        """Of the texts."""
        return self.same / max(1, self.texts)


class BatchCheck(Struct, frozen=True, kw_only=True):
    """The same texts alone and in shuffled batches: how many got another label, or other numbers, in any of them."""

    texts: int
    sizes: list[int]
    other_labels: int
    other_numbers: int


class Fidelity(Struct, frozen=True, kw_only=True):
    """Macro-F1 is that of held-out English; None where there are no labels."""

    agreements: list[Agreement]
    batches: BatchCheck
    torch_f1: float | None
    served_f1: float | None
    missed: list[str]
    """Bounds that were missed; a folder with any was forced."""


class BiasFacts(Struct, frozen=True, kw_only=True):
    """The estimates from parallel sentences, and whether they are in the rule."""

    shipped: bool
    sentences: int
    estimates: dict[str, BiasEstimate]


class ExportFacts(Struct, frozen=True, kw_only=True):
    """The whole file. None stands for what was not recorded: bare weights have no training and no held-out texts."""

    format: int = 1
    model: str
    rule: str
    encoder: str
    precision: Precision
    layers: int
    parameters: int
    """Numbers in the layers and the head; word embeddings not counted."""
    weights: dict[str, FileFacts]
    max_tokens: int
    full: bool
    scales: ScaleTexts | None
    training: Training | None
    held_out: HeldOutFacts | None
    temperature: TemperatureFit | None
    temperatures: dict[str, LanguageTemperature] = {}
    biases: BiasFacts | None
    fidelity: Fidelity
    packages: dict[str, str]


def write_facts(folder: Path, facts: ExportFacts) -> Path:
    """Write the file."""
    path = folder / FILE
    path.write_text(json.dumps(msgspec.to_builtins(facts), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read_facts(folder: ModelFolder) -> ExportFacts | None:
    """The folder's; None when it has none. Raises ModelError when it is damaged or another model's."""
    path = folder.path / FILE
    try:
        facts = msgspec.json.decode(path.read_bytes(), type=ExportFacts)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}): export the model again") from None
    if (facts.model, facts.rule) != (folder.version, folder.facts.rule.name):
        raise ModelError(
            f"{path} is of {facts.model} with the rule {facts.rule}, the folder is {folder.version} with "
            f"{folder.facts.rule.name}: export the model again"
        )
    return facts
