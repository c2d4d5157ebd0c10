"""The decision rule of an exported model: temperature, biases, abstention. Pure: log-probabilities in, numbers out.

- **Temperature** (Guo et al. 2017): the one that makes held-out English labels likeliest, each label weighing a third,
  because the model is trained to give the balanced posterior.
- **Biases**: by language, from parallel sentences, without labels (:mod:`pipeline.sentiment.parallel_bias`).
- **Abstention**: guaranteed on held-out English that fitted nothing else; in other languages estimated on the parallel
  sentences. There a language is trusted as far as its labels agree with English ones, less what guessing would agree.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from pipeline.sentiment.abstention import ENGLISH, AbstentionPoint
from pipeline.sentiment.abstention_fit import CHANCE, estimate, fit_guaranteed, overconfidence, section
from pipeline.sentiment.correction import Float64, log_softmax
from pipeline.sentiment.parallel_bias import BiasEstimate, estimate_biases
from pipeline.sentiment.rule import DecisionRule, LogProbabilities, RuleFacts, named
from schemas.events import LABELS

COLDEST: Final = 0.05
HOTTEST: Final = 20.0
NO_PRIOR: Final = (0.0, 0.0, 0.0)


class TemperatureFit(Struct, frozen=True, kw_only=True):
    """``before`` and ``after``: mean negative log-likelihood of the labels, each label weighing a third."""

    temperature: float
    texts: int
    before: float
    after: float


def fit_temperature(
    values: Float64, gold: npt.NDArray[np.int64], log_prior: LogProbabilities = NO_PRIOR
) -> TemperatureFit:
    """The likeliest temperature of log-probabilities [n, 3] with labels [n], of which each class must have one.

    The likelihood is convex in 1 / temperature, so that its derivative has one root.
    """
    scores = np.asarray(values, np.float64) - np.asarray(log_prior)
    weights = (1 / np.bincount(gold, minlength=len(LABELS)))[gold] / len(LABELS)
    of_label = scores[np.arange(len(gold)), gold]

    def loss(coldness: float) -> float:
        return float(-(weights * log_softmax(scores * coldness)[np.arange(len(gold)), gold]).sum())

    def slope(coldness: float) -> float:
        shifted = np.exp(scores * coldness - (scores * coldness).max(axis=1, keepdims=True))
        expected = (shifted * scores).sum(axis=1) / shifted.sum(axis=1)
        return float((weights * (expected - of_label)).sum())

    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    coldness = round(1 / round(1 / low, 6), 12)
    return TemperatureFit(
        temperature=round(1 / low, 6),
        texts=len(gold),
        before=round(loss(1.0), 4) + 0.0,
        after=round(loss(coldness), 4) + 0.0,
    )


def biases(parallel: Mapping[str, Float64], temperature: float, log_prior: LogProbabilities) -> dict[str, BiasEstimate]:
    """The estimate of each language from log-probabilities [n, 3] of the same sentences; English is in ``parallel``."""
    rule = DecisionRule(named("plain", log_prior=log_prior, temperature=temperature))
    posteriors = {tag: rule.posteriors(values, [tag] * len(values)) for tag, values in parallel.items()}
    english = posteriors.pop(ENGLISH)
    return estimate_biases(english, posteriors, temperature=temperature)


def abstention(
    rule: RuleFacts, values: Float64, gold: npt.NDArray[np.int64], parallel: Mapping[str, Float64]
) -> tuple[AbstentionPoint, ...]:
    """The section of ``rule`` (without one): of English from labelled ``values``, of others from ``parallel``."""
    decide = DecisionRule(rule)
    english = decide.posteriors(values, [ENGLISH] * len(values))
    guaranteed = fit_guaranteed(english, gold)
    too_sure = overconfidence(english, gold)
    posteriors = {tag: decide.posteriors(found, [tag] * len(found)) for tag, found in parallel.items()}
    estimated = {
        tag: estimate(
            found,
            tag,
            # a temperature of the language's own has brought its confidence down by the same trust already
            trust=1.0 if tag in rule.temperatures else trust(posteriors[ENGLISH], found),
            english_overconfidence=too_sure,
            english=guaranteed,
        )
        for tag, found in posteriors.items()
        if tag != ENGLISH
    }
    return section(guaranteed, estimated)


def trust(english: Float64, other: Float64) -> float:
    """How far a language's confidence is believed, 0 to 1: the share t of sentences that get the English label, if the
    rest is guessed; agreement = t + (1 - t) / 3."""
    agreement = float((english.argmax(axis=1) == other.argmax(axis=1)).mean())
    return min(1.0, max(0.0, (agreement - CHANCE) / (1 - CHANCE)))
