"""Simulated labelled data and models for the tests of the evaluation: what is true about them is known."""

from collections.abc import Mapping, Sequence

import numpy as np

from pipeline.sentiment.measure.data import LabelledData, LabelledSet
from schemas.events import LABELS, Judgement

Triple = tuple[float, float, float]


class FakeModel:
    """Gives each text the log-probabilities that it was told; its rule adds a bias to one language's."""

    rule = "fake-rule"

    def __init__(self, name: str, known: Mapping[str, Triple], biases: Mapping[str, Triple] | None = None) -> None:
        self.name = name
        self._known = known
        self._biases = biases or {}
        self.languages: list[str] = []

    def log_probabilities(self, texts: Sequence[str]) -> list[Triple]:
        return [self._known[text] for text in texts]

    def decide(self, values: Sequence[Triple], languages: Sequence[str], mixes: object = None) -> list[Judgement]:
        self.languages += languages
        judged = []
        for value, language in zip(values, languages, strict=True):
            moved = np.asarray(value) + self._biases.get(language, (0, 0, 0))
            shares = np.exp(moved) / np.exp(moved).sum()
            negative, neutral, positive = (float(share) for share in shares)
            judged.append(
                Judgement(
                    model=self.name,
                    rule=self.rule,
                    label=LABELS[int(moved.argmax())],
                    negative=negative,
                    neutral=neutral,
                    positive=positive,
                    log_probabilities=value,
                )
            )
        return judged

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        return self.decide(self.log_probabilities(texts), languages)


def labelled(seed: int = 1, **sizes: int) -> LabelledData:
    """``labelled(en=324, ar=3)``: texts named after language and number, labels in turn and then at random."""
    sets = []
    for language, size in sizes.items():
        rng = np.random.default_rng([seed, size])
        gold = [index % 3 for index in range(min(size, 3))] + [int(one) for one in rng.integers(0, 3, max(0, size - 3))]
        sets.append(
            LabelledSet(language, language, tuple(f"{language} text {index}" for index in range(size)), tuple(gold))
        )
    return LabelledData("simulated", tuple(sets))


def guesses(data: LabelledData, right: float, seed: int, certain: float = 1.5) -> dict[str, Triple]:
    """Log-probabilities whose greatest is the gold label for a share ``right`` of the texts."""
    rng = np.random.default_rng(seed)
    known: dict[str, Triple] = {}
    for one in data.sets:
        for text, gold in zip(one.texts, one.gold, strict=True):
            chosen = gold if rng.random() < right else (gold + int(rng.integers(1, 3))) % 3
            logits = rng.normal(0, 0.2, 3)
            logits[chosen] += certain
            negative, neutral, positive = (float(value) for value in logits - np.log(np.exp(logits).sum()))
            known[text] = (negative, neutral, positive)
    return known


def improved(known: Mapping[str, Triple], data: LabelledData, share: float, seed: int) -> dict[str, Triple]:
    """The same, but a ``share`` of what was wrong is put right: the greatest value is moved to the gold label."""
    rng = np.random.default_rng(seed)
    better = dict(known)
    for one in data.sets:
        for text, gold in zip(one.texts, one.gold, strict=True):
            values = list(known[text])
            first = int(np.argmax(values))
            if first != gold and rng.random() < share:
                values[first], values[gold] = values[gold], values[first]
                better[text] = (values[0], values[1], values[2])
    return better
