"""A model on labelled data, language by language and in the mean over languages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.errors import InputError
from pipeline.sentiment.measure import bootstrap, noise
from pipeline.sentiment.measure.data import LabelledData
from pipeline.sentiment.measure.judging import Detect, Judged, Progress, judge
from pipeline.sentiment.measure.results import (
    MIN_TEXTS,
    Evaluation,
    LanguageResult,
    MeanResult,
    MeanScores,
    Way,
)
from pipeline.sentiment.measure.scores import Measured, calibration_estimate, estimate, measure
from pipeline.sentiment.model import SentimentModel

LABELLED_LANGUAGE: Final = "en"
"""The language that the model saw labels of: not in the mean, which tells how well it transfers."""


@dataclass(frozen=True)
class Options:
    """How to measure. ``means`` are sets of languages (names or tags); empty: all that count, without English."""

    resamples: int = bootstrap.RESAMPLES
    seed: int = bootstrap.SEED
    means: tuple[tuple[str, ...], ...] = ()


def evaluate(
    model: SentimentModel,
    data: LabelledData,
    options: Options | None = None,
    progress: Progress | None = None,
    detect: Detect | None = None,
) -> Evaluation:
    """Judge ``data`` and measure the verdicts. See :func:`pipeline.sentiment.measure.judging.judge`."""
    judged = judge(model, data, progress, detect)
    return measured(model.name, model.rule, data, judged, options or Options(), detected=detect is not None)


def measured(
    model: str, rule: str, data: LabelledData, judged: Sequence[Judged], options: Options, detected: bool = False
) -> Evaluation:
    """The evaluation of verdicts that are there already. Raises InputError when a mean names an unknown language."""
    languages = [measure(one, options.resamples, options.seed) for one in judged]
    results = [one.result for one in languages]
    groups = mean_groups(results, options)
    return Evaluation(
        model=model,
        rule=rule,
        data=data.name,
        tags="detected" if detected else "given",
        resamples=options.resamples,
        seed=options.seed,
        notes=[*data.notes, *_notes(results, options)],
        languages=results,
        means=[_mean([one for one in languages if one.result.language in group]) for group in groups],
    )


def mean_groups(results: Sequence[LanguageResult], options: Options) -> list[list[str]]:
    """The languages (the data's names) of each mean; those that do not count (too few texts, labels that are
    noise) are left out, empty means dropped."""
    wanted = [_named(results, names) for names in options.means] or [
        [one for one in results if one.tag != LABELLED_LANGUAGE]
    ]
    groups = [[one.language for one in group if one.counts] for group in wanted]
    return [group for group in groups if group]


def _named(results: Sequence[LanguageResult], names: Iterable[str]) -> list[LanguageResult]:
    found = []
    for name in names:
        matching = [one for one in results if name in (one.language, one.tag)]
        if not matching:
            known = ", ".join(one.language for one in results)
            raise InputError(f"--mean names {name[:60]!r}, which the data does not have: {known[:300]}")
        found += matching
    return list({one.language: one for one in found}.values())


def _mean(languages: Sequence[Measured]) -> MeanResult:
    return MeanResult(
        languages=[one.result.language for one in languages],
        argmax=_mean_scores(languages, "argmax"),
        rule=_mean_scores(languages, "rule"),
        gain=estimate(
            float(np.mean([one.result.gain.value for one in languages])),
            np.mean([one.replicates["rule"].macro_f1 - one.replicates["argmax"].macro_f1 for one in languages], axis=0),
        ),
    )


def _mean_scores(languages: Sequence[Measured], way: Way) -> MeanScores:
    """Means of values and of replicates: each resample draws within every language by itself."""
    scores = [one.result.scores(way) for one in languages]
    drawn = [one.replicates[way] for one in languages]
    return MeanScores(
        macro_f1=estimate(
            float(np.mean([one.macro_f1.value for one in scores])), np.mean([one.macro_f1 for one in drawn], axis=0)
        ),
        macro_recall=estimate(
            float(np.mean([one.macro_recall.value for one in scores])),
            np.mean([one.macro_recall for one in drawn], axis=0),
        ),
        accuracy=estimate(
            float(np.mean([one.accuracy.value for one in scores])), np.mean([one.accuracy for one in drawn], axis=0)
        ),
        calibration=calibration_estimate(
            float(np.mean([one.squared for one in drawn])),
            np.mean([one.calibration for one in drawn], axis=0),
            float(np.mean([one.plain_squared for one in drawn])),
        ),
    )


def _notes(results: Sequence[LanguageResult], options: Options) -> list[str]:
    notes = []
    for one in results:
        if one.noise:
            notes.append(f"{one.language}: {noise.SAID}; not part of any mean")
        if not one.enough:
            notes.append(
                f"{one.language}: too few to tell ({one.texts} texts, fewer than {MIN_TEXTS}); not part of any mean"
            )
        if one.missing:
            notes.append(
                f"{one.language}: no text is labelled {' or '.join(one.missing)}; macro averages are over the others"
            )
        if one.duplicates:
            notes.append(
                f"{one.language}: {one.duplicates:,} of {one.texts:,} texts repeat an earlier one; the intervals are a "
                "little too short"
            )
        if one.contradictions:
            notes.append(f"{one.language}: {one.contradictions:,} texts are there with more than one label")
    return notes
