"""Finding the thresholds of abstention: with a guarantee where there are labels, estimated where there are none. Pure.

**Guaranteed** (:func:`fit_guaranteed`; Geifman & El-Yaniv 2017, selection with guaranteed risk). On held-out labelled
texts, for each threshold of a fixed grid: of the k texts that reach it, e are wrong. The exact binomial tail bound
(Clopper & Pearson 1934) says that the true error is at most b with confidence 1 - delta / thresholds; by the union
bound all of these hold at once with confidence 1 - delta. The least threshold with b <= accepted error is taken. The
grid is fixed beforehand instead of searched by halving, because a search looks at the texts before it tests on them.

**Estimated** (:func:`estimate`). Without labels the error above a threshold is what the probabilities say themselves:
one minus the mean confidence of the texts that reach it, corrected by how far confidence and correctness differ in
English there (difference of confidences, Guillory et al. 2021), raised to the upper end of its 95% interval, and with
each confidence drawn towards chance by how little the language is trusted.

A guarantee is for texts like the held-out ones: English, their register, their mix of classes, the rule without the
stream's class mix.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.sentiment.abstention import ANY, ENGLISH, AbstentionPoint, Kind
from pipeline.sentiment.correction import Float64
from schemas.events import LABELS

ERRORS: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
"""Errors that a user may accept, as far as a model's thresholds are made for them."""
GRID: Final = (0.0, *(round(0.36 + 0.02 * step, 2) for step in range(32)), 0.99)
"""Thresholds that are tried: 0 (all texts), 0.36 to 0.98, 0.99. Finer gains little coverage and costs confidence."""
DELTA: Final = 0.05
"""Chance that any of the guaranteed thresholds does not keep its error."""
CHANCE: Final = 1 / len(LABELS)
MIN_TEXTS: Final = 30
"""An estimate needs so many texts above its threshold."""
Z_ONE_SIDED: Final = 1.645
"""95% quantile of the normal distribution."""


def binomial_upper(wrong: int, texts: int, delta: float) -> float:
    """Greatest error rate under which ``wrong`` or fewer of ``texts`` have chance ``delta`` (Clopper & Pearson)."""
    if not 0 <= wrong <= texts or not 0 < delta < 1:
        raise ValueError(f"{wrong} of {texts} at {delta} is no binomial bound")
    if wrong == texts:
        return 1.0
    counts = np.arange(wrong + 1)
    ways = math.lgamma(texts + 1) - np.array([math.lgamma(k + 1) + math.lgamma(texts - k + 1) for k in counts])
    low, high = wrong / texts, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        logs = ways + counts * math.log(max(middle, 1e-300)) + (texts - counts) * math.log1p(-min(middle, 1 - 1e-16))
        top = float(logs.max())
        tail = math.exp(top) * float(np.exp(logs - top).sum())
        low, high = (middle, high) if tail > delta else (low, middle)
    return high


def fit_guaranteed(
    probabilities: Float64,
    gold: Sequence[int] | npt.NDArray[np.int64],
    errors: Sequence[float] = ERRORS,
    delta: float = DELTA,
) -> list[AbstentionPoint]:
    """One point per accepted error, for English, all of them true at once with probability ``1 - delta`` or more.

    ``probabilities`` [n, 3] are the rule's, of held-out texts that neither trained nor calibrated the model; ``gold``
    are indices into LABELS.
    """
    confidence, right = _judged(probabilities, gold)
    bounds = []
    for threshold in GRID:
        reached = confidence >= threshold
        texts, wrong = int(reached.sum()), int((~right[reached]).sum())
        bounds.append(binomial_upper(wrong, texts, delta / len(GRID)) if texts else 1.0)
    points = []
    for error in errors:
        fitting = (one for one, bound in zip(GRID, bounds, strict=True) if bound <= error)
        points.append(_point(ENGLISH, error, next(fitting, None), confidence, "guaranteed"))
    return points


def overconfidence(probabilities: Float64, gold: Sequence[int] | npt.NDArray[np.int64]) -> dict[float, float]:
    """Threshold of the grid -> mean confidence minus share of right labels above it, on labelled English; 0 or more.

    Where too few texts reach a threshold, the value of the one before it holds.
    """
    confidence, right = _judged(probabilities, gold)
    found: dict[float, float] = {}
    last = 0.0
    for threshold in GRID:
        reached = confidence >= threshold
        if reached.sum() >= MIN_TEXTS:
            last = max(0.0, float(confidence[reached].mean() - right[reached].mean()))
        found[threshold] = last
    return found


def estimate(
    probabilities: Float64,
    language: str,
    *,
    trust: float,
    english_overconfidence: Mapping[float, float],
    errors: Sequence[float] = ERRORS,
    english: Sequence[AbstentionPoint] = (),
) -> list[AbstentionPoint]:
    """One point per accepted error, from the rule's ``probabilities`` [n, 3] of unlabelled texts in ``language``.

    ``trust`` (0 to 1) is how far the model's confidence is believed there: a confidence c counts as
    ``1/3 + trust * (c - 1/3)``, as if in the rest of the cases it guessed. No threshold is below that of ``english``
    for the same error.
    """
    if not 0 <= trust <= 1:
        raise ValueError(f"trust {trust} is not within 0 and 1")
    confidence = np.asarray(probabilities, np.float64).reshape(-1, len(LABELS)).max(axis=1)
    believed = CHANCE + trust * (confidence - CHANCE)
    wrongs: list[float] = []
    for threshold in GRID:
        chosen = believed[confidence >= threshold]
        if len(chosen) < MIN_TEXTS:
            wrongs.append(1.0)
            continue
        doubt = Z_ONE_SIDED * float(chosen.std(ddof=1)) / math.sqrt(len(chosen))
        wrongs.append(1 - float(chosen.mean()) + english_overconfidence.get(threshold, 0.0) + doubt)
    least = {point.error: 1.01 if point.threshold is None else point.threshold for point in english}
    points = []
    for error in errors:
        fitting = (
            one for one, wrong in zip(GRID, wrongs, strict=True) if wrong <= error and one >= least.get(error, 0)
        )
        points.append(_point(language, error, next(fitting, None), confidence, "estimated"))
    return points


def section(
    guaranteed: Sequence[AbstentionPoint], estimated: Mapping[str, Sequence[AbstentionPoint]]
) -> tuple[AbstentionPoint, ...]:
    """What goes into a model folder: English, the estimated languages, and ``*`` for any other.

    ``*`` is what ``estimated`` says of it, else the most careful of the estimated languages, else nothing is judged.
    """
    points = [*guaranteed, *(point for tag in sorted(estimated) for point in estimated[tag] if tag != ENGLISH)]
    for error in () if ANY in estimated else sorted({point.error for point in guaranteed}):
        same = [point for point in points if point.error == error and point.kind == "estimated"]
        strictest = max(same, key=lambda one: 2.0 if one.threshold is None else one.threshold, default=None)
        points.append(
            AbstentionPoint(
                language=ANY,
                error=error,
                threshold=None if strictest is None else strictest.threshold,
                coverage=min((point.coverage for point in same), default=0.0),
                kind="estimated",
            )
        )
    return tuple(points)


def _judged(
    probabilities: Float64, gold: Sequence[int] | npt.NDArray[np.int64]
) -> tuple[Float64, npt.NDArray[np.bool_]]:
    rows = np.asarray(probabilities, np.float64).reshape(-1, len(LABELS))
    labels = np.asarray(gold)
    if len(rows) != len(labels):
        raise ValueError(f"{len(rows)} rows of probabilities but {len(labels)} labels")
    return rows.max(axis=1), rows.argmax(axis=1) == labels


def _point(language: str, error: float, threshold: float | None, confidence: Float64, kind: Kind) -> AbstentionPoint:
    covered = 0.0 if threshold is None or not len(confidence) else float((confidence >= threshold).mean())
    return AbstentionPoint(
        language=language,
        error=error,
        threshold=threshold,
        coverage=round(covered, 4),
        kind=kind,
    )
