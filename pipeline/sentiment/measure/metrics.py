"""How many of the labels are right, in the ways that people ask for. Pure numpy; equal to scikit-learn's (a test).

Everything begins with tables of counts [..., 3, 3] (rows: gold, columns: given). Leading dimensions are free, so that
two thousand resamples are one call.

**A class that no gold label has does not count** in a macro average: its recall is undefined, and nothing can be
learned about it. scikit-learn does the same when ``labels`` is the set of gold classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.events import LABELS

Float = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


def confusion(gold: Counts, given: Counts) -> Counts:
    """Counts [3, 3]; row: gold label, column: the label that the model gave."""
    size = len(LABELS)
    return np.bincount(gold * size + given, minlength=size * size).reshape(size, size).astype(np.int64)


@dataclass(frozen=True)
class ByClass:
    """Shares per class [..., 3]; not a number where there is nothing to divide by."""

    precision: Float
    recall: Float
    f1: Float


def by_class(tables: Counts) -> ByClass:
    """Precision, recall and F1 of each class. F1 is 2 hits / (gold + given), so it is 0 for a class never given."""
    hits = np.diagonal(tables, axis1=-2, axis2=-1).astype(np.float64)
    gold, given = tables.sum(axis=-1), tables.sum(axis=-2)
    return ByClass(_ratio(hits, given), _ratio(hits, gold), _ratio(2 * hits, gold + given))


def accuracy(tables: Counts) -> Float:
    """Share of texts whose label is right."""
    return _ratio(np.trace(tables, axis1=-2, axis2=-1).astype(np.float64), tables.sum(axis=(-2, -1)))


def macro(values: Float, present: Sequence[int]) -> Float:
    """Mean over the classes in ``present``; a class that a resample happens to have lost is left out of its mean."""
    kept = values[..., list(present)]
    there = ~np.isnan(kept)
    return _ratio(np.where(there, kept, 0.0).sum(axis=-1), there.sum(axis=-1))


def macro_f1(tables: Counts, present: Sequence[int] | None = None) -> Float:
    """Mean F1 over the classes in ``present``: by default those of the gold labels of all tables together."""
    return macro(by_class(tables).f1, classes(tables) if present is None else present)


def macro_recall(tables: Counts, present: Sequence[int] | None = None) -> Float:
    """Mean recall over the classes in ``present``; it does not change when classes are more or less frequent."""
    return macro(by_class(tables).recall, classes(tables) if present is None else present)


def classes(tables: Counts) -> list[int]:
    """Classes that have a gold label."""
    gold = tables.sum(axis=-1).reshape(-1, len(LABELS)).sum(axis=0)
    return [int(index) for index in np.flatnonzero(gold)]


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test (McNemar 1947): the binomial test of the texts that one of two models
    gets right and the other does not. 1.0 when there is none."""
    discordant = only_first + only_second
    tail = sum(math.comb(discordant, count) for count in range(min(only_first, only_second) + 1))
    return float(min(1.0, 2 * tail / 2**discordant))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979), in order: those below 0.05 hold a false alarm in at most 5% of families."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def _ratio(above: Float, below: npt.NDArray[np.int64]) -> Float:
    out = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), np.nan)
    return np.asarray(np.divide(above, below, out=out, where=np.asarray(below) > 0), np.float64)
