"""The configuration of a training run: a TOML file, typed and checked before anything is loaded.

A run is a list of stages. Each stage starts from the encoder or from an earlier stage, and learns from up to three
kinds of texts:

- ``labelled``: English texts with labels. The loss sees logits plus the log class mix of the set (Menon et al. 2021,
  2007.07314), so that what is learned is the balanced posterior, whatever the mix.
- ``pairs``: an English sentence and its translation, without labels. The teacher (an earlier stage) reads the English
  side, the student learns to say the same of the other side.
- ``unlabelled``: texts without labels. The teacher's own posterior is the target (self-training, distillation).

Only ``labelled`` has labels, no field of it names a language, and a file of it that is not English is refused when it
is read for training (:mod:`pipeline.sentiment.training.english`).
"""

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from pipeline.errors import ModelError

Positive = Annotated[float, Meta(gt=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=1)]

ENCODER: Final = "encoder"
"""What a stage's ``start`` names to begin from the untrained encoder."""


PACKAGED: Final = "packaged"
"""What ``encoder`` says for multilingual-e5-small out of the package."""


class Labelled(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """English texts with labels, in TSV, CSV or JSONL. ``text`` and ``label`` name columns, or number them from 0."""

    files: list[str]
    text: str | int = "text"
    label: str | int = "label"
    labels: dict[str, Literal["negative", "neutral", "positive", "skip"]] = {}
    skip: list[str] = []
    """Labels are taken as they are when they are negative, neutral or positive; others must be mapped or skipped."""
    without: list[str] = []
    """Files of texts (one a line) that must not be trained on: those that the model is measured with."""
    take: Count | None = None
    """At most so many, drawn by the seed; None for all."""
    weight: Positive = 1.0


class Pairs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sentences and their translations: ``files`` are TSV files (English, other), or ``english`` and ``other`` are two
    files with the same number of lines, where ``{language}`` stands for the same word in both."""

    files: list[str] = []
    english: str | None = None
    other: str | None = None
    languages: list[str] = []
    """Which values of ``{language}``; empty for all."""
    both_sides: Share = 0.0
    """Share of the English sides that are learned from as well, so that English does not drift."""
    take: Count | None = None
    weight: Positive = 1.0


class Unlabelled(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Texts without labels. ``select`` keeps, per file, this share: the texts that the teacher is surest of, in equal
    numbers per class that it gives; None keeps all. ``harden`` divides the temperature of the teacher's posterior."""

    files: list[str]
    select: Share | None = None
    harden: Positive = 1.0
    balance: Share = 0.0
    """Share of the bias that would make the teacher's mean posterior of a file uniform, added before anything else. It
    supposes that the pool is not lopsided; 0 supposes nothing."""
    take: Count | None = None
    weight: Positive = 1.0
    column: str | int | None = None
    """Column of the text in a TSV, CSV or JSONL file; None: one text a line."""
    without: list[str] = []
    """Files of texts (one a line) to leave out: those that the model is measured with."""
    hold_out: bool = False
    """Leave out the texts that the run holds out by their hash: for files of the English texts that it is measured on,
    which may not be learned from without their labels either."""


class Stage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training: what it starts from, what it learns from, how. With nothing to learn from it is the average of the
    stages in ``start``."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    start: list[str] = msgspec.field(default_factory=lambda: [ENCODER])
    """The stage whose weights it starts from; several are averaged (Wortsman et al. 2022, 2203.05482)."""
    teacher: list[str] = []
    """Stages whose posteriors are averaged into targets of pairs and unlabelled texts."""
    layers: list[int] = []
    """Layers to keep of what it starts from, counted from 0; empty for all."""
    labelled: list[Labelled] = []
    pairs: list[Pairs] = []
    unlabelled: list[Unlabelled] = []
    epochs: Positive = 1.0
    batch: Count = 32
    lr: Positive = 5e-5
    head_lr: Positive = 1e-3
    layer_decay: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    """Each layer learns at this times the rate of the layer above it (Howard & Ruder 2018, 1801.06146)."""
    weight_decay: Annotated[float, Meta(ge=0.0)] = 0.01
    warmup: Share = 0.06
    dropout: Share = 0.1
    label_smoothing: Share = 0.05
    average_from: Share = 0.3
    """Weights are averaged over the steps after this share of the run, equally (Izmailov et al. 2018, 1803.05407)."""
    hidden_loss: Annotated[float, Meta(ge=0.0)] = 0.0
    """Weight of the squared distance between the student's and the teacher's pooled vectors (distillation)."""
    prefix: str | None = None
    """Put before each text instead of the run's: a student can do without the teacher's, and has less to read."""
    seed: int = 1
    max_tokens: Annotated[int, Meta(ge=8, le=512)] = 64


class TrainConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole run."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    data: str = "."
    """Folder that all ``files`` are relative to; itself relative to the configuration file."""
    encoder: str = PACKAGED
    """``packaged``, or a folder in Hugging Face's layout, relative to the configuration file."""
    prefix: str | None = None
    """Put before each text. None: ``query: `` for the packaged encoder, which was trained with it, else nothing."""
    held_out: Annotated[int, Meta(ge=0)] = 8
    """One English text in so many, by its hash, is never trained on: for choosing and for calibration. 0 for none."""
    stages: Annotated[list[Stage], Meta(min_length=1)]


def prefix_of(config: TrainConfig, name: str) -> str | None:
    """What a stage puts before each text; None: as the encoder has it."""
    own = next((stage.prefix for stage in config.stages if stage.name == name), None)
    return config.prefix if own is None else own


def read_config(path: Path) -> TrainConfig:
    """Read and check a configuration. Raises ModelError that names the file, the place and what to do."""
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=TrainConfig)
    except OSError as error:
        raise ModelError(f"cannot read {path} ({error.strerror}); name a training configuration (TOML)") from None
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}; the fields are in docs/train.md") from None
    before: set[str] = {ENCODER}
    for stage in config.stages:
        unknown = [name for name in (*stage.start, *stage.teacher) if name not in before]
        if unknown:
            raise ModelError(f"{path}: stage {stage.name} names {unknown[0]!r}, which is no earlier stage")
        if stage.name in before:
            raise ModelError(f"{path}: two stages are called {stage.name!r}")
        if (stage.pairs or stage.unlabelled) and not stage.teacher:
            raise ModelError(f"{path}: stage {stage.name} has texts without labels but no teacher")
        if not (stage.labelled or stage.pairs or stage.unlabelled or len(stage.start) > 1):
            raise ModelError(
                f"{path}: stage {stage.name} has nothing to learn from, and no two stages in `start` to average"
            )
        if ENCODER in stage.teacher or not stage.start:
            raise ModelError(f"{path}: stage {stage.name} needs a start, and a teacher that was trained")
        before.add(stage.name)
    if config.encoder != PACKAGED:
        config = msgspec.structs.replace(config, encoder=str((path.parent / config.encoder).resolve()))
    return config
