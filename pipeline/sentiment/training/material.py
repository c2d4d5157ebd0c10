"""What an export is made from: a run of ``babelwatch model train``, or bare weights as the first baseline's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from pipeline.errors import ModelError
from pipeline.sentiment.folder import FileFacts
from pipeline.sentiment.rule import LogProbabilities
from pipeline.sentiment.training.calibration import (
    LONG_TEXTS,
    SEED,
    TEXTS,
    ScaleTexts,
    by_language,
    calibration_texts,
    checksum,
    of_run,
    read_texts,
)
from pipeline.sentiment.training.config import prefix_of
from pipeline.sentiment.training.export_facts import StageRecord, Training
from pipeline.sentiment.training.fit_rule import NO_PRIOR
from pipeline.sentiment.training.held_out import HeldOut, for_judging, read_held_out
from pipeline.sentiment.training.runs import RunFolder, StageFacts, file_facts
from pipeline.sentiment.training.sources import Packaged, Source, open_source
from pipeline.sentiment.training.texts import find, sample
from pipeline.sentiment.training.weights import Weights, load_weights

UNLABELLED: Final = 2000
"""English texts on which the labels of bare weights are compared with torch's."""


@dataclass(frozen=True)
class Material:
    """Weights and texts. ``english`` are texts to judge: of a run the judged part of what is held out, in its order."""

    name: str
    weights: Weights
    weight_files: dict[str, FileFacts]
    source: Source
    log_prior: LogProbabilities
    scale_texts: list[str]
    scales: ScaleTexts
    english: list[str]
    others: list[str]
    by_language: dict[str, list[str]] = field(default_factory=dict)
    """Texts without labels by the language that the detector finds in them."""
    held_out: HeldOut | None = None
    training: Training | None = None


def from_run(path: Path, stages: Sequence[str], data: Path | None, cache_dir: Path) -> Material:
    """Of stages of a run (the last one by default; of several the mean). Raises ModelError."""
    run = RunFolder(path, data)
    names = run.stages(stages)
    config = run.facts.config
    lineage = run.lineage(names)
    weights = run.weights(names)
    source = open_source(config.encoder, cache_dir, config.prefix)
    if source.identity != run.facts.encoder:
        raise ModelError(
            f"{config.encoder} is not the encoder that the run was trained from ({source.identity}, then "
            f"{run.facts.encoder}): its word embeddings belong to the weights; bring that one back"
        )
    prefixes = {prefix_of(config, name) for name in names}
    if len(prefixes) > 1:
        raise ModelError(f"stages {', '.join(names)} put different prefixes before texts: they have no mean")
    source = open_source(config.encoder, cache_dir, prefixes.pop())
    run.verify(sorted({name for facts in lineage for name in facts.data}))
    held = read_held_out(lineage, run.data, config.held_out)
    texts, scales, others = of_run(lineage, run.data, config.held_out)
    return Material(
        name=f"{config.name}-{'-'.join(names)}",
        weights=weights,
        weight_files={f"{path.name}/{name}": run.facts.weights[name] for name in names},
        source=source,
        log_prior=NO_PRIOR,
        scale_texts=texts,
        scales=scales,
        english=for_judging(held, config.held_out).texts,
        others=others,
        by_language=by_language(lineage, run.data, config.held_out),
        held_out=held,
        training=_training(run, names, lineage),
    )


def _training(run: RunFolder, names: list[str], lineage: Sequence[StageFacts]) -> Training:
    files = sorted({name for facts in lineage for name in facts.data})
    stages = [facts.stage for facts in lineage]
    patterns = [name for stage in stages for one in stage.labelled for name in one.without]
    patterns += [name for stage in stages for one in stage.unlabelled for name in one.without]
    left_out = set(find(run.data, patterns))
    return Training(
        run=run.facts.config.name,
        exported=names,
        stages=[
            StageRecord(stage=one.stage, examples=one.examples, tokens=one.tokens, seconds=one.seconds)
            for one in lineage
        ],
        data={name: run.facts.files[name] for name in files if name in run.facts.files},
        left_out=[name for name in files if run.data / name in left_out],
        held_out=run.facts.config.held_out,
        packages=run.facts.packages,
        machine=run.facts.machine,
    )


def from_weights(path: Path, calibration: Path, class_prior: Sequence[float] | None, cache_dir: Path) -> Material:
    """Of weights on the packaged encoder, and a folder of English ``*.tsv`` (id, label, text; no label is read).

    ``class_prior`` is the class mix that the weights learned; None: they give balanced posteriors. Raises ModelError.
    """
    weights = load_weights(path)
    if not calibration.is_dir():
        raise ModelError(
            f"{calibration} is not a folder: the export measures static scales on English texts in files *.tsv "
            "(id, label, text; the label is not read); name the folder with --calibration"
        )
    texts = calibration_texts(calibration)
    scaled = set(texts)
    rest = sample([text for text in read_texts(calibration) if text not in scaled], UNLABELLED, SEED)
    logs = NO_PRIOR
    if class_prior is not None:
        negative, neutral, positive = (float(value) for value in np.log(np.asarray(class_prior, np.float64)))
        logs = (negative, neutral, positive)
    return Material(
        name=path.name.split(".")[0],
        weights=weights,
        weight_files={path.name: file_facts(path)},
        source=Packaged(cache_dir),
        log_prior=logs,
        scale_texts=texts,
        scales=ScaleTexts(english=TEXTS, other=0, joined=LONG_TEXTS, sha256=checksum(texts)),
        english=rest,
        others=[],
    )
