"""From what can be seen without labels to an expected macro-F1, by two straight lines. Pure.

1. **Agreement to macro-F1.** A line through the measured languages (English, whose agreement with itself is 1, is one
   of them) and one point that needs no measurement: labels that agree no more than chance score as chance does. So few
   points bear no more than a line.
2. **Amount of text to agreement**, for languages without parallel sentences: a line through those with sentences over
   the logarithm of how much of a language the encoder read, plus n / (n + 1) of the mean distance of its n relatives
   from that line.

Both lines rise or are level, never fall. An interval is Student's for a new observation; its standard deviation is the
greater of the residuals' and of the leave-one-language-out error, and it takes in how unsure the agreement itself is.
The measured scores are used here to describe trust, never to train, calibrate or choose a model or its rule.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.sentiment.trust.table import Number
from schemas.events import LABELS

CHANCE: Final = 1 / len(LABELS)
"""Agreement and macro-F1 of labels drawn at random, on text with as many of each label."""
FLOOR: Final = CHANCE / 2
"""Macro-F1 of giving always the same label, on such text: no interval reaches below."""
MIN_MEASURED: Final = 4
"""With fewer measured languages there is no line, and nothing is estimated."""
MIN_SENTENCES: Final = 4
_STUDENT: Final = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145)
"""97.5% quantiles of Student's t by degrees of freedom, from 1 on; beyond them the last is used, which is wider."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A rising line with what its intervals need."""

    intercept: float
    slope: float
    count: int
    centre: float
    spread: float
    """Sum of squared distances of x from ``centre``."""
    error: float
    """Root mean square of the leave-one-out differences, or of the residuals where those are greater."""
    freedom: int
    left_out: tuple[float, ...]
    """Measured less predicted of each point, without it."""

    def at(self, x: float) -> float:
        """The line's height."""
        return self.intercept + self.slope * x

    def doubt(self, x: float, unsure: float) -> float:
        """Standard error of what a new language at ``x`` scores; ``unsure`` is the standard deviation of ``x``."""
        own = self.error**2 * (1 + 1 / self.count + (x - self.centre) ** 2 / self.spread)
        return math.sqrt(own + (self.slope * unsure) ** 2)

    def interval(self, x: float, unsure: float) -> Number:
        """What a new language at ``x`` is expected to score."""
        half = _STUDENT[min(self.freedom, len(_STUDENT)) - 1] * self.doubt(x, unsure)
        return number(self.at(x), self.at(x) - half, self.at(x) + half)


def fit(points: Sequence[Point], fixed: Sequence[Point] = ()) -> Line:
    """Least squares through ``points`` and ``fixed`` (which are never left out), with a slope of 0 or more."""
    every = [*points, *fixed]
    intercept, slope = _least_squares(every)
    left_out = []
    for index, (x, y) in enumerate(points):
        start, rise = _least_squares([*points[:index], *points[index + 1 :], *fixed])
        left_out.append(y - start - rise * x)
    freedom = max(1, len(points) - 2)
    residual = math.sqrt(sum((y - intercept - slope * x) ** 2 for x, y in every) / freedom)
    centre = float(np.mean([x for x, _ in every]))
    return Line(
        intercept=intercept,
        slope=slope,
        count=len(every),
        centre=centre,
        spread=sum((x - centre) ** 2 for x, _ in every) or 1.0,
        error=max(residual, math.sqrt(float(np.mean(np.square(left_out))))),
        freedom=freedom,
        left_out=tuple(left_out),
    )


def _least_squares(points: Sequence[Point]) -> Point:
    xs, ys = np.array(points, np.float64).T
    spread = float(((xs - xs.mean()) ** 2).sum())
    slope = max(0.0, float(((xs - xs.mean()) * ys).sum()) / spread) if spread > 0 else 0.0
    return float(ys.mean()) - slope * float(xs.mean()), slope


def agreement_line(measured: Mapping[str, Point]) -> Line | None:
    """The line of step 1 from (agreement, macro-F1) by language, or None when there are too few."""
    if len(measured) < MIN_MEASURED:
        return None
    return fit(list(measured.values()), [(CHANCE, CHANCE)])


@dataclass(frozen=True)
class Known:
    """A language with parallel sentences: how much of it the encoder read, its relatives' group, its agreement."""

    megabytes: float
    group: str
    agreement: float


class ExpectedAgreement:
    """Step 2. Raises ValueError with fewer than :data:`MIN_SENTENCES` languages."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        if len(known) < MIN_SENTENCES:
            raise ValueError(f"{len(known)} languages with sentences are too few")
        self._known = dict(known)
        self._line = fit([(math.log10(one.megabytes), one.agreement) for one in known.values()])
        off = [one.agreement - self._without(tag).of(one.megabytes, one.group) for tag, one in known.items()]
        self.error = math.sqrt(float(np.mean(np.square(off))))
        """Root mean square of measured less expected agreement, each language left out once."""

    def of(self, megabytes: float, group: str) -> float:
        """The agreement of a language without sentences, 0 to 1."""
        beside = [one.agreement - self._line.at(math.log10(one.megabytes)) for one in self._relatives(group)]
        shift = sum(beside) / (len(beside) + 1)
        return min(1.0, max(0.0, self._line.at(math.log10(megabytes)) + shift))

    def _relatives(self, group: str) -> list[Known]:
        return [one for one in self._known.values() if one.group == group]

    def _without(self, tag: str) -> "ExpectedAgreement":
        rest = {name: one for name, one in self._known.items() if name != tag}
        other = object.__new__(ExpectedAgreement)
        other._known = rest
        other._line = fit([(math.log10(one.megabytes), one.agreement) for one in rest.values()])
        return other


def never_seen(worst: float, readable: bool) -> float:
    """Macro-F1 put down for a language that the encoder never saw: that of guessing, but no more than half way from the
    worst measured score to that of one label for all; the latter where the vocabulary lacks the letters. Always below
    ``worst``."""
    if worst <= FLOOR:
        return worst / 2
    return min(CHANCE, (worst + FLOOR) / 2) if readable else FLOOR


def number(value: float, low: float, high: float) -> Number:
    """Rounded, within what a macro-F1 can be."""
    inside = (round(min(1.0, max(FLOOR, one)), 4) for one in (value, low, high))
    return Number(*inside)
