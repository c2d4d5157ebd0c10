"""Cases in, outcomes out, by any model that has :class:`pipeline.sentiment.model.SentimentModel`'s interface."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from pipeline.sentiment.checklist.cases import Case, Expectation
from pipeline.sentiment.model import SentimentModel
from schemas.events import LABELS

TOLERANCE: Final = 0.1
"""How far the score may go the wrong way in a direction test: CheckList's own figure for sentiment (its section 3)."""
BATCH: Final = 256

Progress = Callable[[int, int], None]
"""Called with (texts judged, texts in all)."""


class Reading(Struct, frozen=True, kw_only=True):
    """What the model says of one text: the label of the largest probability, and the probabilities after the rule."""

    label: str
    negative: float
    neutral: float
    positive: float

    @property
    def score(self) -> float:
        """Positive minus negative probability, -1 to 1: what direction tests compare."""
        return self.positive - self.negative


class Outcome(Struct, frozen=True, kw_only=True):
    """One case and how it went; ``readings`` are in the order of the case's texts."""

    case: Case
    readings: tuple[Reading, ...]
    passed: bool


Key = tuple[str, str]
"""(text, language tag): the rule may differ by language."""


def run(model: SentimentModel, cases: Sequence[Case], progress: Progress | None = None) -> list[Outcome]:
    """Judge every text of ``cases`` once per language tag and hold it against what is expected, in order."""
    readings = predict(model, cases, progress)
    return [outcome(case, [readings[key] for key in _keys(case)]) for case in cases]


def predict(model: SentimentModel, cases: Sequence[Case], progress: Progress | None = None) -> Mapping[Key, Reading]:
    """The model's reading of each different (text, language tag) of ``cases``."""
    keys = list(dict.fromkeys(key for case in cases for key in _keys(case)))
    readings: dict[Key, Reading] = {}
    for start in range(0, len(keys), BATCH):
        batch = keys[start : start + BATCH]
        judged = model.judge([text for text, _ in batch], [tag for _, tag in batch])
        for key, one in zip(batch, judged, strict=True):
            readings[key] = reading(one.negative, one.neutral, one.positive)
        if progress:
            progress(len(readings), len(keys))
    return readings


def reading(negative: float, neutral: float, positive: float) -> Reading:
    """A reading from probabilities. A model that may abstain is asked for the label that it leans to."""
    values = (negative, neutral, positive)
    label = LABELS[max(range(len(LABELS)), key=values.__getitem__)]
    return Reading(label=label, negative=negative, neutral=neutral, positive=positive)


def always(label: str, cases: Sequence[Case]) -> list[Outcome]:
    """The outcomes of a model that says ``label`` of every text: what passing costs nothing."""
    negative, neutral, positive = (float(label == one) for one in LABELS)
    blind = reading(negative, neutral, positive)
    return [outcome(case, [blind] * len(case.texts)) for case in cases]


def outcome(case: Case, readings: Sequence[Reading]) -> Outcome:
    """Whether the model did what is expected, by the type of the case."""
    return Outcome(case=case, readings=tuple(readings), passed=_passes(case.expect, readings))


def _passes(expect: Expectation, readings: Sequence[Reading]) -> bool:
    first, last = readings[0], readings[-1]
    if expect == "same":
        return len({one.label for one in readings}) == 1
    if expect == "up":
        return last.score >= first.score - TOLERANCE
    if expect == "down":
        return last.score <= first.score + TOLERANCE
    if expect.startswith("not-"):
        return first.label != expect.removeprefix("not-")
    return first.label == expect


def _keys(case: Case) -> Iterator[Key]:
    return zip(case.texts, case.tags(), strict=True)
