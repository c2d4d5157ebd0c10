"""A language's own class bias, found without a label: on the same sentences a model should give the same class mix.

A model that leans to neutral in Hindi shows it on sentences whose translations it knows how to judge in English: its
mean posterior in Hindi has more neutral in it. Here that lean is measured as three numbers that are added to the log
posterior, so that the mean posterior in the language becomes English's. It rests on good translations in the register
of the stream: washed-out ones look like a lean to neutral, and correcting that does harm.

- **Matching.** b (sum 0) with mean softmax(log p + b) = the English mean. It is the minimum of the convex function
  mean logsumexp(log p + b) - b . target, found by Newton's method.
- **Sampling error.** Sentences are pairs, so the variance of the mean difference is that of the differences; the
  Jacobian of the match carries it over to b.
- **Shrinkage.** Empirical Bayes (Morris 1983): the b of a language is drawn with variance tau^2 around no bias, and is
  seen with its sampling variance v; what is kept is tau^2 / (tau^2 + v) of it. tau^2 is where the languages together
  scatter as much as they do (Paule & Mandel 1982); when sampling alone explains that, it is 0 and nothing is kept.
- **Bound.** No number of a bias is above 1.5.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from msgspec import Struct

from pipeline.errors import ModelError
from pipeline.sentiment.correction import Float64
from schemas.events import LABELS

BOUND: Final = 1.5
"""In logits: a class's odds are changed by a factor of 4.5 at most. More is a broken language, not a bias."""
MIN_SENTENCES: Final = 50
_FLOOR: Final = 1e-6
"""Posteriors are rounded to 6 decimals: 0 is not never."""
_FREEDOM: Final = len(LABELS) - 1
_PLANE: Final = np.array([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]]).T / np.sqrt([2.0, 6.0])
"""[3, 2]: orthonormal directions of sum 0, in which a bias can be seen (the same added to all does nothing)."""

Bias = tuple[float, float, float]


class BiasEstimate(Struct, frozen=True, kw_only=True):
    """What was found for one language, in LABELS' order and in logits before the temperature."""

    found: Bias
    """That makes the mean posteriors equal."""
    standard_error: Bias
    kept: float
    """Share of ``found`` that is kept, 0 to 1."""
    bias: Bias
    """What goes into the rule: ``found * kept``, bounded."""
    sentences: int


def estimate_biases(
    english_posteriors: Float64,
    posteriors_by_language: Mapping[str, Float64],
    shrink: float = 1.0,
    *,
    temperature: float = 1.0,
) -> dict[str, BiasEstimate]:
    """Return the bias of each language against English, of posteriors [n, 3] whose row i is the same sentence in all.

    The posteriors are the rule's without biases, at ``temperature``. ``shrink`` multiplies the sampling variance before
    it decides how much is kept: 1 is the empirical Bayes estimate, 0 keeps all, more is more careful. Raises ModelError
    when rows do not fit, are too few or are not probabilities.
    """
    english = _rows("en", english_posteriors, len(english_posteriors))
    found: dict[str, Float64] = {}
    covariances: dict[str, Float64] = {}
    for language, posteriors in sorted(posteriors_by_language.items()):
        rows = _rows(language, posteriors, len(english))
        bias = match(np.log(rows), english.mean(axis=0))
        matched = _softmax(np.log(rows) + bias)
        inverse = _inverse(matched)
        sampling = np.cov(matched - english, rowvar=False) / len(rows)
        found[language] = bias
        covariances[language] = inverse @ sampling @ inverse.T
    tau2 = scatter([float(bias @ bias) for bias in found.values()], [float(np.trace(c)) for c in covariances.values()])
    result = {}
    for language, bias in found.items():
        variance = shrink * float(np.trace(covariances[language]))
        kept = 1.0 if variance == 0 else _FREEDOM * tau2 / (_FREEDOM * tau2 + variance)
        result[language] = BiasEstimate(
            found=_triple(bias * temperature),
            standard_error=_triple(np.sqrt(np.maximum(np.diag(covariances[language]), 0)) * temperature),
            kept=round(kept, 4),
            bias=_triple(_bounded(bias * temperature * kept)),
            sentences=len(english),
        )
    return result


def match(log_posteriors: Float64, target: Float64) -> Float64:
    """The bias [3] of sum 0 with mean softmax(log_posteriors + bias) = target (three positive shares of sum 1)."""
    bias = np.zeros(len(LABELS))
    for _ in range(100):
        rows = _softmax(log_posteriors + bias)
        gradient = rows.mean(axis=0) - target
        if float(np.abs(gradient).max()) < 1e-10:
            break
        step = -_inverse(rows) @ gradient
        size, value = 1.0, _objective(log_posteriors, bias, target)
        while size > 1e-6 and _objective(log_posteriors, bias + size * step, target) > value:
            size /= 2
        bias = bias + size * step
        bias -= bias.mean()
    return bias


def scatter(squares: list[float], variances: list[float]) -> float:
    """Variance tau^2 of each of the two free numbers of a bias between languages, beyond sampling; 0 if there is none.

    ``squares``: squared length of each language's bias; ``variances``: trace of its sampling covariance. The root of
    sum(squares / (2 tau^2 + variance)) = number of languages (Paule & Mandel).
    """

    def excess(tau2: float) -> float:
        total = sum(s / (_FREEDOM * tau2 + v) if s else 0.0 for s, v in zip(squares, variances, strict=True))
        return total - len(squares)

    if not squares or not any(squares):
        return 0.0
    low, high = 1e-12, max(squares)
    if excess(low) <= 0:
        return 0.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def _rows(language: str, posteriors: Float64, expected: int) -> Float64:
    rows = np.asarray(posteriors, np.float64)
    if rows.shape != (expected, len(LABELS)) or expected < MIN_SENTENCES:
        raise ModelError(
            f"parallel sentences in {language!r}: posteriors have shape {rows.shape}, expected ({expected}, 3) with "
            f"the same sentences as English and at least {MIN_SENTENCES} of them"
        )
    if not np.isfinite(rows).all() or rows.min() < 0 or np.abs(rows.sum(axis=1) - 1).max() > 1e-3:
        raise ModelError(f"parallel sentences in {language!r}: a row is not three probabilities of sum 1")
    rows = np.maximum(rows, _FLOOR)
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float64)


def _softmax(scores: Float64) -> Float64:
    exact = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exact / exact.sum(axis=1, keepdims=True), np.float64)


def _objective(log_posteriors: Float64, bias: Float64, target: Float64) -> float:
    scores = log_posteriors + bias
    top = scores.max(axis=1)
    return float((top + np.log(np.exp(scores - top[:, None]).sum(axis=1))).mean() - bias @ target)


def _inverse(rows: Float64) -> Float64:
    """Of the Jacobian of the mean posterior by the bias, mean of diag(q) - q q^T, in the plane of sum 0."""
    jacobian = np.diag(rows.mean(axis=0)) - rows.T @ rows / len(rows)
    # A floor for posteriors that are all 0 or 1: a finite step, cut by the line search.
    inverse = np.linalg.inv(_PLANE.T @ jacobian @ _PLANE + 1e-9 * np.eye(_FREEDOM))
    return np.asarray(_PLANE @ inverse @ _PLANE.T, np.float64)


def _bounded(bias: Float64) -> Float64:
    longest = float(np.abs(bias).max())
    return bias if longest <= BOUND else bias * (BOUND / longest)


def _triple(values: Float64) -> Bias:
    negative, neutral, positive = (round(float(value), 6) + 0.0 for value in values)
    return negative, neutral, positive
