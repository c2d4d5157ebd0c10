"""Two models on the same texts: is one better, or was it chance?

Each resample draws the same texts for both (paired bootstrap, Efron & Tibshirani 1993; Berg-Kirkpatrick et al. 2012 on
its use in language processing), so what both find hard cancels out: the interval of the difference is shorter than
those of the two models suggest. McNemar's exact test asks the same of accuracy from the texts that one model alone gets
right; Holm's correction keeps the chance of any false alarm over all languages at 5%.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.sentiment.measure import bootstrap, metrics
from pipeline.sentiment.measure.evaluation import Options
from pipeline.sentiment.measure.judging import Judged, require_same_texts
from pipeline.sentiment.measure.metrics import Float
from pipeline.sentiment.measure.results import (
    WAYS,
    Against,
    Difference,
    Estimate,
    Evaluation,
    LanguageDifference,
    MeanDifference,
    PairedDifference,
    Way,
)
from pipeline.sentiment.measure.scores import estimate


@dataclass(frozen=True)
class _Pair:
    """One language in one way: the differences, and their replicates [resamples]."""

    f1: float
    f1_drawn: Float
    accuracy: float
    accuracy_drawn: Float
    only_this: int
    only_other: int

    @property
    def p(self) -> float:
        return metrics.mcnemar(self.only_this, self.only_other)


def compare(
    this: Sequence[Judged], other: Sequence[Judged], evaluation: Evaluation, others: Evaluation, options: Options
) -> Against:
    """The differences ``this`` less ``other`` in every language and mean of ``evaluation``.

    Raises InputError when the two were not judged on identical texts.
    """
    require_same_texts(this, other)
    pairs = {
        one.labelled.language: _pairs(one, two, options.resamples, options.seed)
        for one, two in zip(this, other, strict=True)
    }
    holm = {way: metrics.holm([pair[way].p for pair in pairs.values()]) for way in WAYS}
    return Against(
        evaluation=others,
        languages=[
            LanguageDifference(
                language=language,
                argmax=_difference(pair["argmax"], holm["argmax"][index]),
                rule=_difference(pair["rule"], holm["rule"][index]),
            )
            for index, (language, pair) in enumerate(pairs.items())
        ],
        means=[
            MeanDifference(
                languages=mean.languages,
                argmax=_mean([pairs[name]["argmax"] for name in mean.languages]),
                rule=_mean([pairs[name]["rule"] for name in mean.languages]),
            )
            for mean in evaluation.means
        ],
    )


def _pairs(this: Judged, other: Judged, resamples: int, seed: int) -> dict[Way, _Pair]:
    gold = this.gold
    given = [side.verdicts(way).given for way in WAYS for side in (this, other)]
    rng = bootstrap.generator(seed, this.labelled.language, "paired")
    drawn = bootstrap.resampled_tables(gold, given, rng, resamples)
    present = sorted(set(this.labelled.gold))
    pairs: dict[Way, _Pair] = {}
    for place, way in enumerate(WAYS):
        here = [metrics.confusion(gold, one) for one in given[2 * place : 2 * place + 2]]
        ours, theirs = drawn[2 * place : 2 * place + 2]
        right, also = this.right(way), other.right(way)
        pairs[way] = _Pair(
            f1=float(metrics.macro_f1(here[0]) - metrics.macro_f1(here[1])),
            f1_drawn=metrics.macro_f1(ours, present) - metrics.macro_f1(theirs, present),
            accuracy=float(metrics.accuracy(here[0]) - metrics.accuracy(here[1])),
            accuracy_drawn=metrics.accuracy(ours) - metrics.accuracy(theirs),
            only_this=int(np.sum(right & ~also)),
            only_other=int(np.sum(also & ~right)),
        )
    return pairs


def _difference(pair: _Pair, p_holm: float) -> PairedDifference:
    return PairedDifference(
        macro_f1=estimate(pair.f1, pair.f1_drawn),
        accuracy=estimate(pair.accuracy, pair.accuracy_drawn),
        only_this=pair.only_this,
        only_other=pair.only_other,
        p=float(f"{pair.p:.4g}"),
        p_holm=float(f"{p_holm:.4g}"),
    )


def _mean(pairs: Sequence[_Pair]) -> Difference:
    def of(name: str) -> Estimate:
        value = float(np.mean([getattr(one, name) for one in pairs]))
        return estimate(value, np.mean([getattr(one, f"{name}_drawn") for one in pairs], axis=0))

    return Difference(macro_f1=of("f1"), accuracy=of("accuracy"))
