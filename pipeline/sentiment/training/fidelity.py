"""How true a served graph is to the trained network: measured at each export, with bounds that an export must keep.

The reference is the network in torch, all in float32, on the same token ids. Texts are real: held-out English, and
texts in other languages that the run has no labels of.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.errors import BabelwatchError
from pipeline.sentiment.correction import Float64, log_softmax
from pipeline.sentiment.encoder import OpenVinoEncoder
from pipeline.sentiment.measure import metrics
from pipeline.sentiment.training.export_facts import Agreement, BatchCheck, Fidelity, Precision

SAME_LABELS: Final[dict[Precision, float]] = {"fp32": 0.999, "int8": 0.97}
"""Share of texts that must get torch's label."""
F1_LOSS: Final = 0.005
"""Macro-F1 on held-out English may be so much lower than torch's."""
BATCHES: Final = (2, 7, 32, 200)
BATCH_TEXTS: Final = 400
MIN_OTHERS: Final = 100
"""Fewer texts in other languages bear no bound of one in a thousand."""


class NotFaithful(BabelwatchError):
    """An exported model does not judge as the trained network does."""

    exit_code = 1


@dataclass(frozen=True)
class Compared:
    """Log-probabilities of the same texts: of torch, of the graph in float32, and of the one that is served."""

    torch: Float64
    fp32: Float64
    served: Float64
    precision: Precision

    def agreements(self, english: npt.NDArray[np.bool_], log_prior: Float64) -> list[Agreement]:
        """Of each graph, on English and on other texts."""
        expected = (self.torch - log_prior).argmax(axis=1)
        graphs: dict[Precision, Float64] = {"fp32": self.fp32, self.precision: self.served}
        found = []
        for graph, values in graphs.items():
            same = (values - log_prior).argmax(axis=1) == expected
            found.append(Agreement(graph=graph, on="english", texts=int(english.sum()), same=int(same[english].sum())))
            if not english.all():
                others = ~english
                found.append(Agreement(graph=graph, on="other", texts=int(others.sum()), same=int(same[others].sum())))
        return found


def judge(
    compared: Compared,
    english: npt.NDArray[np.bool_],
    gold: npt.NDArray[np.int64] | None,
    batches: BatchCheck,
    log_prior: Float64,
) -> Fidelity:
    """Everything together, with what is missed. ``gold`` are the labels of the English texts, in their order."""
    agreements = compared.agreements(english, log_prior)
    missed = [
        f"the {one.graph} graph gives torch's label on {100 * one.share:.2f}% of {one.texts} {one.on} texts, "
        f"{100 * SAME_LABELS[one.graph]:.1f}% are needed"
        for one in agreements
        if one.share < SAME_LABELS[one.graph] and (one.on == "english" or one.texts >= MIN_OTHERS)
    ]
    torch_f1 = served_f1 = None
    if gold is not None:
        torch_f1, served_f1 = (
            round(_macro_f1((values[english] - log_prior).argmax(axis=1), gold), 4)
            for values in (compared.torch, compared.served)
        )
        if torch_f1 - served_f1 > F1_LOSS:
            missed.append(
                f"macro-F1 x 100 on held-out English falls from {100 * torch_f1:.2f} to {100 * served_f1:.2f}, by more "
                f"than {100 * F1_LOSS:.1f}"
            )
    if batches.other_labels:
        missed.append(f"{batches.other_labels} of {batches.texts} texts got another label in another batch")
    return Fidelity(agreements=agreements, batches=batches, torch_f1=torch_f1, served_f1=served_f1, missed=missed)


def _macro_f1(given: npt.NDArray[np.int64], gold: npt.NDArray[np.int64]) -> float:
    return float(metrics.macro_f1(metrics.confusion(gold, given.astype(np.int64))))


def check_batches(encoder: OpenVinoEncoder, ids: Sequence[list[int]], log_prior: Float64) -> BatchCheck:
    """Judge texts alone, then shuffled in batches of several sizes, and compare."""
    alone = np.concatenate([log_softmax(encoder.logits([one])) for one in ids])
    labels = (alone - log_prior).argmax(axis=1)
    other_labels = np.zeros(len(ids), bool)
    other_numbers = np.zeros(len(ids), bool)
    for size in BATCHES:
        order = list(range(len(ids)))
        random.Random(size).shuffle(order)  # noqa: S311 - reproducible, not secret
        for start in range(0, len(order), size):
            members = order[start : start + size]
            found = log_softmax(encoder.logits([ids[index] for index in members]))
            other_labels[members] |= (found - log_prior).argmax(axis=1) != labels[members]
            other_numbers[members] |= (found != alone[members]).any(axis=1)
    return BatchCheck(
        texts=len(ids),
        sizes=list(BATCHES),
        other_labels=int(other_labels.sum()),
        other_numbers=int(other_numbers.sum()),
    )
