"""From verdicts to the numbers of one language, each with its interval, and the resamples that means are made of."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.sentiment.measure import bootstrap, calibration, metrics
from pipeline.sentiment.measure.judging import Judged
from pipeline.sentiment.measure.metrics import Counts, Float
from pipeline.sentiment.measure.results import (
    MIN_TEXTS,
    WAYS,
    Bin,
    ClassScores,
    Covered,
    Estimate,
    LanguageResult,
    Scores,
    Way,
)
from schemas.events import LABELS

DECIMALS: Final = 4
COVERAGES: Final = 20
"""Points of the curve of error over coverage: every 5%."""


@dataclass(frozen=True)
class Replicates:
    """What resampling one language in one way gave [resamples], and the calibration errors that it is centred on."""

    macro_f1: Float
    macro_recall: Float
    accuracy: Float
    calibration: Float
    """Debiased, squared."""
    squared: float
    """The sample's debiased squared error, not rounded."""
    plain_squared: float


@dataclass(frozen=True)
class Measured:
    """A language's numbers and their resamples."""

    result: LanguageResult
    replicates: dict[Way, Replicates]


def estimate(value: float, replicates: Float) -> Estimate:
    """A value with the percentile interval of its replicates."""
    low, high = bootstrap.percentile(replicates)
    return Estimate(round(value, DECIMALS), round(low, DECIMALS), round(high, DECIMALS))


def share_estimate(value: float, replicates: Float, texts: int) -> Estimate:
    """The same for a share of ``texts`` texts.

    Resamples of a set without any error hold none either, which says nothing about the next text: of 1 (or 0) the
    other end is that of the exact binomial interval (Clopper & Pearson 1934).
    """
    found = estimate(value, replicates)
    reach = round(((1 - bootstrap.LEVEL) / 2) ** (1 / texts), DECIMALS)
    if value >= 1:
        return Estimate(found.value, min(found.low, reach), found.high)
    if value <= 0:
        return Estimate(found.value, found.low, max(found.high, round(1 - reach, DECIMALS)))
    return found


def calibration_estimate(squared: float, replicates: Float, plain_squared: float) -> Estimate:
    """A calibration error (root of ``squared``, 0 when that is negative) with its centred interval."""
    low, high = bootstrap.centred(squared, replicates, plain_squared)
    value, low, high = (round(calibration.root(one), DECIMALS) for one in (squared, low, high))
    return Estimate(value, low, high)


def measure(judged: Judged, resamples: int, seed: int) -> Measured:
    """All numbers of one language."""
    labelled, gold = judged.labelled, judged.gold
    rng = bootstrap.generator(seed, labelled.language)
    drawn = bootstrap.resampled_tables(gold, [judged.verdicts(way).given for way in WAYS], rng, resamples)
    scores: dict[Way, Scores] = {}
    replicates: dict[Way, Replicates] = {}
    for way, tables in zip(WAYS, drawn, strict=True):
        scores[way], replicates[way] = _scores(judged, way, tables, rng)
    gain = scores["rule"].macro_f1.value - scores["argmax"].macro_f1.value
    result = LanguageResult(
        language=labelled.language,
        tag=labelled.tag,
        texts=len(labelled.texts),
        duplicates=labelled.duplicates,
        contradictions=labelled.contradictions,
        missing=list(labelled.missing),
        enough=len(labelled.texts) >= MIN_TEXTS,
        sha256=labelled.sha256,
        argmax=scores["argmax"],
        rule=scores["rule"],
        gain=estimate(gain, replicates["rule"].macro_f1 - replicates["argmax"].macro_f1),
    )
    return Measured(result, replicates)


def _scores(judged: Judged, way: Way, tables: Counts, rng: np.random.Generator) -> tuple[Scores, Replicates]:
    verdicts, right, gold = judged.verdicts(way), judged.right(way), judged.gold
    table = metrics.confusion(gold, verdicts.given)
    present = metrics.classes(table)
    confidence = verdicts.confidence
    binned = calibration.bins(confidence, right)
    replicates = Replicates(
        macro_f1=metrics.macro_f1(tables, present),
        macro_recall=metrics.macro_recall(tables, present),
        accuracy=metrics.accuracy(tables),
        calibration=bootstrap.resampled_calibration(confidence, right, len(binned.texts), rng, len(tables)),
        squared=float(binned.debiased_squared),
        plain_squared=float(binned.plain_squared),
    )
    share = table.sum(axis=0) / len(gold)
    curve = calibration.risk_coverage(confidence, right)
    kept = sorted({-(-len(gold) * step // COVERAGES) for step in range(1, COVERAGES + 1)})
    scores = Scores(
        macro_f1=share_estimate(float(metrics.macro_f1(table)), replicates.macro_f1, len(gold)),
        macro_recall=share_estimate(float(metrics.macro_recall(table)), replicates.macro_recall, len(gold)),
        accuracy=share_estimate(float(metrics.accuracy(table)), replicates.accuracy, len(gold)),
        calibration=calibration_estimate(replicates.squared, replicates.calibration, replicates.plain_squared),
        plain_calibration=round(float(binned.plain), DECIMALS),
        brier=round(calibration.brier(verdicts.probabilities, gold), DECIMALS),
        log_loss=round(calibration.log_loss(verdicts.probabilities, gold), DECIMALS),
        classes=_classes(table, tables),
        confusion=[(int(a), int(b), int(c)) for a, b, c in table],
        given=(round(float(share[0]), 3), round(float(share[1]), 3), round(float(share[2]), 3)),
        bins=[
            Bin(int(texts), round(float(sure), DECIMALS), round(float(hits), DECIMALS))
            for texts, sure, hits in zip(binned.texts, binned.confidence, binned.right, strict=True)
        ],
        coverage=[
            Covered(round(count / len(gold), DECIMALS), round(float(curve[count - 1]), DECIMALS)) for count in kept
        ],
        mean_risk=round(float(curve.mean()), DECIMALS),
    )
    return scores, replicates


def _classes(table: Counts, tables: Counts) -> list[ClassScores]:
    here, drawn = metrics.by_class(table), metrics.by_class(tables)

    def of(value: Float, replicates: Float, index: int, texts: int) -> Estimate | None:
        return share_estimate(float(value[index]), replicates[:, index], texts) if texts else None

    return [
        ClassScores(
            label=label,
            texts=(texts := int(table[index].sum())),
            given=(given := int(table[:, index].sum())),
            precision=of(here.precision, drawn.precision, index, given),
            recall=of(here.recall, drawn.recall, index, texts),
            f1=of(here.f1, drawn.f1, index, texts),
        )
        for index, label in enumerate(LABELS)
    ]
