"""What the labels of a file mean: names, or numbers (ratings) that fall into intervals.

``--labels 'neg=negative,mixed=skip'`` maps names, ``--labels '<=-1=negative,>=1=positive,*=neutral'`` numbers. As soon
as one part is an interval every label that is no name must be a number: a rating that cannot be read is never taken for
"everything else".
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pipeline.errors import InputError
from schemas.events import LABELS

SKIP: Final = "skip"
REST: Final = "*"
"""Everything that no other part names: of ratings every other number, else every other label."""
_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
_INTERVAL: Final = re.compile(rf"(<=|>=|<|>)\s*({_NUMBER})", re.IGNORECASE)
_FORM: Final = (
    f"write NAME=LABEL, or an interval as '<=-1={LABELS[0]}' or '>=1={LABELS[2]}', or '{REST}={LABELS[1]}' for "
    f"everything else, where LABEL is {', '.join(LABELS)} or {SKIP} (such rows are left out)"
)


@dataclass(frozen=True)
class Interval:
    """Numbers from ``low`` to ``high``; an end that is not closed does not belong to it. ``rule`` is how it is said."""

    rule: str
    label: str
    low: float = -math.inf
    high: float = math.inf
    closed: bool = True

    def holds(self, number: float) -> bool:
        """Whether a finite number is in it."""
        return self.low <= number <= self.high if self.closed else self.low < number < self.high

    def overlaps(self, other: "Interval") -> bool:
        """Whether a number is in both."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return low < high or (low == high and self.holds(low) and other.holds(low))


@dataclass(frozen=True)
class Labels:
    """How labels of a file become ours. ``names`` are in lower case; the names in LABELS need no entry."""

    names: Mapping[str, str] = field(default_factory=dict)
    intervals: Sequence[Interval] = ()
    rest: str | None = None

    def find(self, found: str) -> tuple[str, str]:
        """A label of the file -> one of LABELS or ``skip``, and the part that says so (for what is left out).

        Raises InputError with the reason and the remedy, without the place.
        """
        shown, name = found.strip()[:40], found.strip().lower()
        if name in self.names:
            return self.names[name], shown
        if name in LABELS:
            return name, shown
        if self.intervals:
            return self._rated(shown, name)
        if self.rest is not None:
            return self.rest, shown
        raise InputError(
            f"label {shown!r} is none of {', '.join(LABELS)}; map it: --labels '{shown}=negative' (or neutral, "
            f"positive; {SKIP} leaves such rows out)"
        )

    def _rated(self, shown: str, name: str) -> tuple[str, str]:
        if not re.fullmatch(_NUMBER, name) or not math.isfinite(number := float(name)):
            raise InputError(
                f"label {shown!r} is no number, and --labels maps numbers ({self.intervals[0].rule!r}): correct it, or "
                f"map it by name: '{shown}={SKIP}'"
            )
        for one in self.intervals:
            if one.holds(number):
                return one.label, one.rule
        if self.rest is None:
            raise InputError(f"label {shown!r} is in no interval of --labels; add '{REST}=neutral' for everything else")
        return self.rest, REST

    @property
    def notes(self) -> list[str]:
        """What is said beside the numbers when ratings became labels: the cut is part of the result."""
        if not self.intervals:
            return []
        parts = [f"{one.rule} {one.label}" for one in self.intervals]
        parts += [f"everything else {self.rest}"] if self.rest is not None else []
        return [f"labels are ratings, cut so: {', '.join(parts)}"]


def parse_labels(text: str) -> Labels:
    """``neg=negative,0=neutral,mixed=skip`` or ``<=-1=negative,>=1=positive,*=neutral``.

    A name that is a number stands for that number where there are intervals (``<=2=negative,3=neutral,>=4=positive``).
    Raises InputError that names the part that is wrong, or two that overlap.
    """
    names: dict[str, str] = {}
    intervals: list[Interval] = []
    rest = None
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, equals, label = (one.strip() for one in part.rpartition("="))
        if not equals or not name or label not in (*LABELS, SKIP):
            raise InputError(f"--labels {part!r}: {_FORM}")
        if name == REST:
            if rest not in (None, label):
                raise InputError(f"--labels {part!r}: '{REST}' stands for everything else and is there twice")
            rest = label
        elif name[0] in "<>" or name[:2] in ("=<", "=>"):
            intervals.append(_interval(part, name, label))
        else:
            names[name.lower()] = label
    if intervals:
        numbers = [name for name in names if re.fullmatch(_NUMBER, name)]
        intervals += [Interval(name, names.pop(name), float(name), float(name)) for name in numbers]
    _refuse_overlaps(intervals)
    return Labels(names, tuple(intervals), rest)


def _interval(part: str, name: str, label: str) -> Interval:
    match = _INTERVAL.fullmatch(name)
    if match is None or not math.isfinite(number := float(match[2])):
        raise InputError(f"--labels {part!r}: an interval is one of <, <=, >, >= and a number; {_FORM}")
    closed = match[1].endswith("=")
    if match[1].startswith("<"):
        return Interval(name, label, high=number, closed=closed)
    return Interval(name, label, low=number, closed=closed)


def _refuse_overlaps(intervals: Sequence[Interval]) -> None:
    for place, one in enumerate(intervals):
        for other in intervals[:place]:
            if one.overlaps(other):
                raise InputError(
                    f"--labels: '{other.rule}={other.label}' and '{one.rule}={one.label}' overlap: a number must be in "
                    "one interval alone"
                )
