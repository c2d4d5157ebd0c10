"""A model's verdicts on labelled texts, as arrays: what everything else is computed from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import InputError
from pipeline.sentiment.measure.data import LabelledData, LabelledSet
from pipeline.sentiment.measure.metrics import Counts, Float
from pipeline.sentiment.measure.results import Way
from pipeline.sentiment.model import SentimentModel
from schemas.events import LABELS, Judgement

AT_ONCE: Final = 1024
"""Texts per call: enough to fill batches of every length."""

LogProbabilities = tuple[float, float, float]
Progress = Callable[[int, int], None]
"""Called with (texts done, texts in all)."""
Detect = Callable[[str], str]
"""Text -> BCP 47 tag."""
Decide = Callable[[Sequence[LogProbabilities], Sequence[str]], Sequence[Judgement]]
"""A rule: log-probabilities and languages of as many texts -> judgements."""


@dataclass(frozen=True)
class Verdicts:
    """Labels given [n] and the probabilities [n, 3] that they were given with."""

    given: Counts
    probabilities: Float

    @property
    def confidence(self) -> Float:
        """Probability of the label given."""
        return np.asarray(self.probabilities[np.arange(len(self.given)), self.given], np.float64)


@dataclass(frozen=True)
class Judged:
    """One language as one model sees it, without and with its decision rule."""

    labelled: LabelledSet
    argmax: Verdicts
    rule: Verdicts

    @property
    def gold(self) -> Counts:
        """Gold labels [n]."""
        return np.asarray(self.labelled.gold, np.int64)

    def verdicts(self, way: Way) -> Verdicts:
        """The verdicts of one way."""
        return self.argmax if way == "argmax" else self.rule

    def right(self, way: Way) -> npt.NDArray[np.bool_]:
        """Whether each label is right [n]."""
        return np.asarray(self.verdicts(way).given == self.gold)


def judge(
    model: SentimentModel, data: LabelledData, progress: Progress | None = None, detect: Detect | None = None
) -> list[Judged]:
    """Verdicts on every set of ``data``, in order. With ``detect`` the rule is told the language found in each text,
    as in the pipeline, otherwise the set's own."""
    (found,) = judge_by((model.decide,), model, data, progress, detect)
    return found


def judge_by(
    rules: Sequence[Decide],
    model: SentimentModel,
    data: LabelledData,
    progress: Progress | None = None,
    detect: Detect | None = None,
) -> list[list[Judged]]:
    """The verdicts of each of ``rules`` on the very same log-probabilities, and so with one inference."""
    total = sum(len(one.texts) for one in data.sets)
    texts = [text for one in data.sets for text in one.texts]
    values = iter(list(_log_probabilities(model, texts, total, progress)))
    found: list[list[Judged]] = [[] for _ in rules]
    for labelled in data.sets:
        own = [next(values) for _ in labelled.texts]
        tags = [detect(text) for text in labelled.texts] if detect is not None else [labelled.tag] * len(own)
        for verdicts, decide in zip(found, rules, strict=True):
            verdicts.append(_judged(labelled, own, decide(own, tags)))
    return found


def _log_probabilities(
    model: SentimentModel, texts: Sequence[str], total: int, progress: Progress | None
) -> Iterator[LogProbabilities]:
    for start in range(0, total, AT_ONCE):
        yield from model.log_probabilities(texts[start : start + AT_ONCE])
        if progress is not None:
            progress(min(total, start + AT_ONCE), total)


def _judged(labelled: LabelledSet, values: list[LogProbabilities], decided: Sequence[Judgement]) -> Judged:
    raw = np.asarray(values, np.float64)
    probabilities = np.asarray([(one.negative, one.neutral, one.positive) for one in decided], np.float64)
    # A label that abstains is none of the three: the evaluation asks what the rule would have said.
    most = probabilities.argmax(axis=1)
    given = [LABELS.index(one.label) if one.label in LABELS else int(most[i]) for i, one in enumerate(decided)]
    return Judged(
        labelled,
        Verdicts(raw.argmax(axis=1).astype(np.int64), np.exp(raw)),
        Verdicts(np.asarray(given, np.int64), probabilities),
    )


def require_same_texts(one: Sequence[Judged], other: Sequence[Judged]) -> None:
    """Raise InputError unless both were judged on identical texts and labels, set by set."""
    names = [[(judged.labelled.language, judged.labelled.sha256) for judged in side] for side in (one, other)]
    if names[0] != names[1]:
        differing = sorted({language for language, _ in set(names[0]) ^ set(names[1])})
        raise InputError(
            f"the two models were not judged on identical texts ({', '.join(differing)[:200] or 'another order'}): "
            "judge both on the same files"
        )
