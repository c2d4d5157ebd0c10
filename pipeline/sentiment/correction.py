"""From the model's log-probabilities to a judgement: probabilities minus the log training prior, and the label.

A model that saw 45% neutral texts leans to neutral, the more so in languages that it knows less. Taking the log prior
of its training set away (Elkan 2001, with a uniform target) lifts macro-F1 on UMSAB val from 52 to 57 over seven
languages that it never saw a label of. Pure arithmetic, so that a new rule can be applied to stored log-probabilities.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.events import LABELS, Judgement

Float64 = npt.NDArray[np.float64]

RULE: Final = "minus-log-prior-v1"
DECIMALS: Final = 6


def log_softmax(logits: Float64) -> Float64:
    """Row-wise log-softmax in float64, rounded to 6 decimals: the precision that is kept everywhere."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    exact = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return np.asarray(np.round(exact, DECIMALS) + 0.0, np.float64)  # + 0.0 turns -0.0 into 0.0


def corrected(log_probabilities: Float64, log_prior: Float64) -> Float64:
    """softmax(log p - log prior), row-wise, rounded to 6 decimals."""
    return np.asarray(np.round(np.exp(log_softmax(log_probabilities - log_prior)), DECIMALS), np.float64)


class PriorRule:
    """Turns log-probabilities into judgements. ``prior`` is the class mix of the training set in LABELS' order."""

    name = RULE

    def __init__(self, prior: tuple[float, float, float]) -> None:
        self._log_prior = np.log(np.asarray(prior, np.float64))

    def judge(self, model: str, log_probabilities: tuple[float, float, float]) -> Judgement:
        """The judgement of the whole text; of equal probabilities the first label in LABELS' order wins."""
        raw = np.asarray(log_probabilities, np.float64)
        probabilities = corrected(raw, self._log_prior)
        negative, neutral, positive = (float(value) for value in probabilities)
        return Judgement(
            model=model,
            rule=self.name,
            label=LABELS[int((raw - self._log_prior).argmax())],
            negative=negative,
            neutral=neutral,
            positive=positive,
            log_probabilities=log_probabilities,
        )
