"""The held-out English of an export, measured as ``babelwatch model evaluate`` measures any labelled texts.

Each kind of text three times: as it comes; with as many of each label (what the model is trained for); and as it comes,
the rule told its mix of classes (what the pipeline knows of a stream that it has read for a while).
"""

from typing import Final

import numpy as np

from pipeline.sentiment.correction import Float64, log_softmax, probabilities
from pipeline.sentiment.measure.data import LabelledData, LabelledSet
from pipeline.sentiment.measure.evaluation import Options, measured
from pipeline.sentiment.measure.judging import Judged, Verdicts
from pipeline.sentiment.measure.results import Evaluation
from pipeline.sentiment.rule import DecisionRule, RuleFacts
from pipeline.sentiment.training.held_out import HeldOut, equal_classes

FILE: Final = "evaluation-held-out.json"
EQUAL: Final = "equal classes"
TOLD: Final = "its mix told"


def evaluate_held_out(model: str, rule: RuleFacts, held: HeldOut, values: Float64, name: str) -> Evaluation:
    """Measure log-probabilities [n, 3] of ``held`` under ``rule``; ``name`` is what the data is called."""
    decide = DecisionRule(rule)
    posteriors = decide.posteriors(values, ["en"] * len(values))
    judged: list[Judged] = []
    for kind in dict.fromkeys(held.kinds):
        of_kind = np.array([one == kind for one in held.kinds])
        part = held.part(of_kind)
        judged.append(_judged(kind, part, values[of_kind], posteriors[of_kind]))
        if min(part.counts()) == 0:
            continue
        equal = equal_classes(part)
        judged.append(_judged(f"{kind}, {EQUAL}", part.part(equal), values[of_kind][equal], posteriors[of_kind][equal]))
        told = _told(posteriors[of_kind], part)
        judged.append(_judged(f"{kind}, {TOLD}", part, values[of_kind], told))
    sets = tuple(one.labelled for one in judged)
    return measured(model, rule.name, LabelledData(name, sets), judged, Options())


def _told(posteriors: Float64, part: HeldOut) -> Float64:
    """Balanced posteriors, given the mix of classes (Saerens 2002, the mix being known)."""
    mix = np.asarray(part.counts()) / len(part)
    return probabilities(log_softmax(np.log(np.maximum(posteriors, 1e-6)) + np.log(mix)))


def _judged(name: str, part: HeldOut, values: Float64, posteriors: Float64) -> Judged:
    labelled = LabelledSet(name, "en", tuple(part.texts), tuple(part.gold.tolist()))
    return Judged(
        labelled,
        Verdicts(values.argmax(axis=1).astype(np.int64), np.exp(values)),
        Verdicts(posteriors.argmax(axis=1).astype(np.int64), posteriors),
    )
