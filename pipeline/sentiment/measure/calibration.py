"""Whether probabilities mean what they say: of the texts judged with 80%, are 80% right?

The confidence of a text is the probability of the label that it was given (top-label calibration). Texts are sorted by
it and cut into bins with equally many texts (adaptive bins, Nguyen & O'Connor 2015), so that no bin is nearly empty.

Two estimates from the bins' gaps between mean confidence and share of right labels:

plain
    the mean absolute gap, the usual ECE. Chance alone makes a gap in every bin, so it is never near 0: a perfectly
    calibrated model comes out at about 0.07 on 324 texts.
debiased
    the root mean square gap, from each square the variance that chance gives it taken away (Kumar, Liang & Ma 2019,
    arXiv 1909.10155; before it Ferro & Fricker 2012). Unbiased on the squared scale, so near 0 for a calibrated model.
    A root mean square is never below a mean, so a limit on this error is one on ECE's true value, too. Preferred to
    ECE_sweep (Roelofs et al. 2022, arXiv 2012.08668), which chooses the number of bins well but leaves the plain
    estimate's bias where models are nearly calibrated, which is what is asked here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.sentiment.measure.metrics import Counts, Float

BINS: Final = 15
"""As in Guo et al. 2017 and Kumar et al. 2019."""
MIN_PER_BIN: Final = 10
"""Fewer texts have fewer bins: a share of fewer than ten says nothing."""
SMALLEST: Final = 1e-6
"""Probabilities are kept with six decimals; 0 means less than half of this."""


def number_of_bins(texts: int) -> int:
    """15, or as many as leave at least 10 texts in each; one at least."""
    return max(1, min(BINS, texts // MIN_PER_BIN))


@dataclass(frozen=True)
class Bins:
    """Bins of equal mass: texts in each [k], mean confidence and share of right labels [..., k]."""

    texts: Counts
    confidence: Float
    right: Float

    @property
    def plain(self) -> Float:
        """Mean absolute gap (ECE)."""
        return np.asarray(self._mean(np.abs(self.confidence - self.right)), np.float64)

    @property
    def plain_squared(self) -> Float:
        """Mean squared gap, chance included."""
        return np.asarray(self._mean((self.confidence - self.right) ** 2), np.float64)

    @property
    def debiased_squared(self) -> Float:
        """Mean squared gap less what chance adds; negative by chance when the model is calibrated, and with one text
        in a bin, where chance cannot be told, the plain one."""
        chance = self.right * (1 - self.right) / np.maximum(self.texts - 1, 1)
        return np.asarray(self._mean((self.confidence - self.right) ** 2 - chance), np.float64)

    def _mean(self, values: Float) -> Float:
        return np.asarray((values * (self.texts / self.texts.sum())).sum(axis=-1), np.float64)


def bins(confidence: Float, right: npt.NDArray[np.bool_], count: int | None = None) -> Bins:
    """Cut texts [n] into ``count`` bins of equal mass; of equal confidences the earlier text comes first."""
    order = np.argsort(confidence, kind="stable")
    count = count or number_of_bins(len(confidence))
    starts = np.arange(count) * len(confidence) // count
    texts = np.diff(np.append(starts, len(confidence))).astype(np.int64)
    sure = np.add.reduceat(confidence[order], starts) / texts
    return Bins(texts, sure, np.add.reduceat(right[order].astype(np.float64), starts) / texts)


def root(squared: float) -> float:
    """A calibration error from its square, which chance can make negative."""
    return float(np.sqrt(max(0.0, squared)))


def brier(probabilities: Float, gold: Counts) -> float:
    """Mean over texts of the squared distance between the three probabilities and the truth: 0 (perfect) to 2."""
    truth = np.eye(probabilities.shape[1])[gold]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def log_loss(probabilities: Float, gold: Counts) -> float:
    """Mean of -ln of the gold label's probability; ln 3 = 1.099 is what equal thirds get."""
    chosen = probabilities[np.arange(len(gold)), gold]
    return float(-np.log(np.maximum(chosen, SMALLEST)).mean())


def risk_coverage(confidence: Float, right: npt.NDArray[np.bool_]) -> Float:
    """Error rates [n] of the 1, 2, ... n texts with the highest confidence (El-Yaniv & Wiener 2010)."""
    order = np.argsort(-confidence, kind="stable")
    return np.asarray(np.cumsum(~right[order]) / np.arange(1, len(right) + 1), np.float64)
