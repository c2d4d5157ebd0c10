"""How hot each language's posteriors must be, without labels: where the model is too sure of itself, it is cooled down.

Self-training makes a model sure of the kind of texts that it taught itself, not right about them: on tweets in such a
language its mean confidence is higher than on English ones, which it has labels for. That needs no label to be seen,
and none to be mended: with trust t in a language (the share of sentences that it reads as in English, guessing in the
rest, as in :func:`~.fit_rule.trust`), a mean confidence of c in English is worth

    t c + (1 - t) / 3

there. The language's temperature is the one that brings its mean confidence down to that; none is sharpened. The label
stays the same: a temperature moves no argmax.

Texts: those without labels that the run learned from, by the language that the detector finds, against held-out English
of the kind that has the most texts; where there are too few, the parallel sentences, against the English ones.
Average confidence as an estimate of accuracy: Guillory et al. 2021 (2107.03315), Garg et al. 2022 (2201.04234).
"""

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from msgspec import Struct

from pipeline.sentiment.abstention import ENGLISH
from pipeline.sentiment.abstention_fit import CHANCE
from pipeline.sentiment.correction import Float64, probabilities
from pipeline.sentiment.rule import DecisionRule, RuleFacts
from pipeline.sentiment.training.fit_rule import HOTTEST, trust

MIN_TEXTS: Final = 200
"""Of a language, or its parallel sentences are taken: the standard error of a mean confidence is then 0.015."""


class LanguageTemperature(Struct, frozen=True, kw_only=True):
    """``confidence`` is the mean at English's temperature, ``wanted`` what it is worth; ``temperature`` is English's
    where the model is not too sure."""

    temperature: float
    source: Literal["texts", "sentences"]
    texts: int
    trust: float
    confidence: float
    wanted: float


def language_temperatures(
    rule: RuleFacts, english: Float64, parallel: Mapping[str, Float64], texts: Mapping[str, Float64]
) -> dict[str, LanguageTemperature]:
    """By BCP 47 tag of ``parallel`` but English, which has ``rule.temperature``. All values are log-probabilities
    [n, 3]: of held-out English texts, of the same sentences by language (English among them), of other texts."""
    decide = DecisionRule(rule)

    def posterior(values: Float64, tag: str) -> Float64:
        return decide.posteriors(values, [tag] * len(values))

    sentences = posterior(parallel[ENGLISH], ENGLISH)
    sure = {"texts": _mean(posterior(english, ENGLISH)), "sentences": _mean(sentences)}
    found = {}
    for tag, translated in parallel.items():
        if tag == ENGLISH:
            continue
        believed = trust(sentences, posterior(translated, tag))
        own = texts.get(tag)
        source: Literal["texts", "sentences"] = "texts" if own is not None and len(own) >= MIN_TEXTS else "sentences"
        values = own if own is not None and source == "texts" else translated
        rows = posterior(values, tag)
        wanted = believed * sure[source] + (1 - believed) * CHANCE
        found[tag] = LanguageTemperature(
            temperature=round(rule.temperature * _hotter(rows, wanted), 6),
            source=source,
            texts=len(values),
            trust=round(believed, 4),
            confidence=round(_mean(rows), 4),
            wanted=round(wanted, 4),
        )
    return found


def _mean(rows: Float64) -> float:
    return float(rows.max(axis=1).mean())


def _hotter(rows: Float64, wanted: float) -> float:
    """The factor, 1 or more, by which a temperature must rise for the mean confidence of posteriors [n, 3] to be
    ``wanted``: it falls as the temperature rises, so there is one."""
    if _mean(rows) <= wanted:
        return 1.0
    logs = np.log(np.maximum(rows, 1e-12))
    low, high = 1.0, HOTTEST
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(probabilities(logs / middle)) > wanted else (low, middle)
    return high
