"""How the decision rules behave, by simulation: a calibrated model of our quality on streams whose mix is known.

Each text has a class and a point in the plane, drawn around the centre of its class; the model knows the centres, so
that its posterior is exact (calibrated) and its macro-F1 is about 60 on a balanced set, like the real one's on tweets
of other languages. It has learned the class mix of its training set, 15/45/40, as the first model had.

====================  ========================================================================================
argmax                of the model's own probabilities
minus log prior       the training set's mix taken away
parallel bias         the same, and the language's bias estimated on 240 sentences against English
class mix (EM)        minus log prior, and the stream's own mix by expectation maximisation
both                  the language's bias by parallel sentences, then the stream's own mix
====================  ========================================================================================

``python -m benchmarks.decision_rules [--quick] [--plot docs/images]``; the plots need matplotlib.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pipeline.sentiment.class_mix import MixTracker, estimate_mix
from pipeline.sentiment.correction import Float64
from pipeline.sentiment.parallel_bias import estimate_biases

Labels = npt.NDArray[np.int64]
Mix = tuple[float, float, float]

CENTRES: Final = 0.83 * np.array([[-1.0, 0.0], [0.0, 0.9], [1.0, 0.0]])
"""Negative, neutral, positive: macro-F1 60 on a balanced set."""
TRAINING_MIX: Final = np.array([0.15, 0.45, 0.40])
BIAS: Final = np.array([0.0, 1.0, 0.0])
"""One logit towards neutral: what a model does in a language that it knows less."""
PARALLEL_MIX: Final = (0.42, 0.16, 0.42)
SENTENCES: Final = 240
LANGUAGES: Final = 12
RULES: Final = ("argmax", "minus log prior", "parallel bias", "class mix (EM)", "both")
NEUTRAL: Final = 0.15
TYPICAL: Final[Mix] = (0.15, 0.60, 0.25)
"""A stream as it is on most days: mostly neutral."""


def texts(count: int, mix: Sequence[float], rng: np.random.Generator) -> tuple[Float64, Labels]:
    """Log-likelihoods [n, 3] (up to a constant per row) and classes of texts of a stream."""
    gold = rng.choice(3, count, p=mix)
    points = CENTRES[gold] + rng.normal(0, 1, (count, 2))
    return _log_likelihoods(points), np.asarray(gold)


def _log_likelihoods(points: Float64) -> Float64:
    return np.asarray(-0.5 * ((points[:, None, :] - CENTRES) ** 2).sum(axis=2))


def softmax(scores: Float64) -> Float64:
    """Row-wise."""
    exact = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exact / exact.sum(axis=1, keepdims=True))


def parallel_correction(bias: Float64, rng: np.random.Generator) -> Float64:
    """What the shipped code finds for a language with ``bias``, among others that lean a little (0.2 logits) each.

    A sentence and its translation are of one class and lie near each other, but are not the same to the model.
    """
    gold = rng.choice(3, SENTENCES, p=PARALLEL_MIX)
    english = CENTRES[gold] + rng.normal(0, 1, (SENTENCES, 2))

    def translated() -> Float64:
        return CENTRES[gold] + 0.8 * (english - CENTRES[gold]) + rng.normal(0, 0.6, (SENTENCES, 2))

    rows = {f"other {n}": softmax(_log_likelihoods(translated()) + rng.normal(0, 0.2, 3)) for n in range(LANGUAGES - 1)}
    rows["this"] = softmax(_log_likelihoods(translated()) + bias)
    return np.asarray(estimate_biases(softmax(_log_likelihoods(english)), rows)["this"].bias)


@dataclass(frozen=True)
class Outcome:
    """Of one rule on one stream: macro-F1 x 100, and net sentiment of its labels minus the true one, in points."""

    f1: float
    net_error: float


def judge(scores: Float64, bias: Float64, rng: np.random.Generator) -> dict[str, Labels]:
    """Labels by rule. ``scores``: log-likelihoods as this model sees them, its bias included."""
    mix = np.asarray(estimate_mix(softmax(scores)).used)
    corrected = scores + parallel_correction(bias, rng)
    both = np.asarray(estimate_mix(softmax(corrected)).used)
    return {
        "argmax": (scores + np.log(TRAINING_MIX)).argmax(axis=1),
        "minus log prior": scores.argmax(axis=1),
        "parallel bias": corrected.argmax(axis=1),
        "class mix (EM)": (scores + np.log(mix)).argmax(axis=1),
        "both": (corrected + np.log(both)).argmax(axis=1),
    }


def net(labels: Labels) -> float:
    """Share positive minus share negative, in points: what the page shows."""
    return 100 * float((labels == 2).mean() - (labels == 0).mean())


def macro_f1(gold: Labels, found: Labels) -> float:
    """x 100, over the classes of ``gold``."""
    scores = [
        2 * ((gold == label) & (found == label)).sum() / ((gold == label).sum() + (found == label).sum())
        for label in range(3)
        if (gold == label).any()
    ]
    return 100 * float(np.mean(scores))


def stream(count: int, mix: Sequence[float], bias: Float64, runs: int, seed: int) -> dict[str, Outcome]:
    """Each rule on ``runs`` streams: mean macro-F1, and mean absolute error of net sentiment."""
    found: dict[str, list[tuple[float, float]]] = {rule: [] for rule in RULES}
    for run in range(runs):
        rng = np.random.default_rng([seed, run])
        likelihoods, gold = texts(count, mix, rng)
        for rule, labels in judge(likelihoods + bias, bias, rng).items():
            found[rule].append((macro_f1(gold, labels), abs(net(labels) - net(gold))))
    return {rule: Outcome(*(float(value) for value in np.mean(values, axis=0))) for rule, values in found.items()}


def mixes(points: int) -> list[Mix]:
    """From 5/15/80 to 80/15/5."""
    return [(negative, NEUTRAL, 1 - NEUTRAL - negative) for negative in np.linspace(0.05, 0.80, points)]


def by_mix(bias: Float64, quick: bool) -> list[tuple[Mix, dict[str, Outcome]]]:
    """Over the true mix, at 5,000 mentions."""
    return [(mix, stream(5000, mix, bias, 3 if quick else 12, 1)) for mix in mixes(4 if quick else 11)]


def by_number(quick: bool) -> list[tuple[int, dict[str, Outcome]]]:
    """Over the number of mentions, in a stream that is mostly neutral, without bias."""
    counts = (200, 5000) if quick else (200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
    none = np.zeros(3)
    return [(count, stream(count, TYPICAL, none, 4 if quick else 48, 2)) for count in counts]


def day_mix(hour: float) -> Mix:
    """An ordinary day with a bad afternoon: complaints rise from 14 h, and fade from 18 h on."""
    bad = np.clip((hour - 14) / 1.0, 0, 1) * np.clip((20 - hour) / 2.0, 0, 1)
    negative = TYPICAL[0] + 0.50 * bad
    rest = 1 - negative
    share = TYPICAL[1] / (TYPICAL[1] + TYPICAL[2])
    return float(negative), float(rest * share), float(rest * (1 - share))


def day(bias: Float64, quick: bool) -> dict[str, list[float]]:
    """Net sentiment by quarter of an hour: true and as each rule's labels say. The class mix is the worker's own code:
    frozen for ten minutes, from the hour before.
    """
    rng = np.random.default_rng(3)
    trackers = MixTracker(), MixTracker()
    correction = parallel_correction(bias, rng)
    series: dict[str, list[float]] = {name: [] for name in ("hour", "true", *RULES)}
    per_quarter = 100 if quick else 500
    for quarter in range(96):
        scores = texts(per_quarter, day_mix(quarter / 4), rng)[0] + bias
        corrected = scores + correction
        seconds = quarter * 900 + np.sort(rng.uniform(0, 900, per_quarter))
        shifts = []
        for tracker, rows in zip(trackers, (scores, corrected), strict=True):
            frozen = [tracker.mix(float(at)) for at in seconds]
            tracker.observe(seconds.tolist(), ["xx"] * per_quarter, softmax(rows))
            shifts.append(np.stack([np.zeros(3) if one is None else one.shift("xx") for one in frozen]))
        labels = {
            "argmax": (scores + np.log(TRAINING_MIX)).argmax(axis=1),
            "minus log prior": scores.argmax(axis=1),
            "parallel bias": corrected.argmax(axis=1),
            "class mix (EM)": (scores + shifts[0]).argmax(axis=1),
            "both": (corrected + shifts[1]).argmax(axis=1),
        }
        series["hour"].append(quarter / 4)
        series["true"].append(100 * (day_mix(quarter / 4)[2] - day_mix(quarter / 4)[0]))
        for rule in RULES:
            series[rule].append(net(labels[rule]))
    return series


def uniform_with_bias(quick: bool) -> dict[str, Any]:
    """The case of one logit towards neutral in a balanced stream: what EM takes the mix for, and what it costs."""
    rng = np.random.default_rng(4)
    likelihoods, _ = texts(5000 if quick else 50_000, (1 / 3, 1 / 3, 1 / 3), rng)
    outcomes = stream(5000, (1 / 3, 1 / 3, 1 / 3), BIAS, 3 if quick else 12, 4)
    without = stream(5000, (1 / 3, 1 / 3, 1 / 3), np.zeros(3), 3 if quick else 12, 4)
    return {
        "neutral share that EM finds, of 0.33": round(estimate_mix(softmax(likelihoods + BIAS)).found[1], 2),
        "macro-F1 with the bias": {rule: round(one.f1, 1) for rule, one in outcomes.items()},
        "macro-F1 without it": {rule: round(one.f1, 1) for rule, one in without.items()},
    }


def run(quick: bool = False) -> dict[str, Any]:
    """The curves as figures: mean macro-F1 and net error over the true mixes, with and without bias."""

    def mean(curve: Sequence[tuple[Any, dict[str, Outcome]]], what: Callable[[Outcome], float]) -> dict[str, float]:
        return {rule: round(float(np.mean([what(found[rule]) for _, found in curve])), 1) for rule in RULES}

    plain, biased = by_mix(np.zeros(3), quick), by_mix(BIAS, quick)
    return {
        "true mix 5/15/80 to 80/15/5": {
            "macro-F1": mean(plain, lambda one: one.f1),
            "net error, points": mean(plain, lambda one: one.net_error),
        },
        "the same, one logit towards neutral": {
            "macro-F1": mean(biased, lambda one: one.f1),
            "net error, points": mean(biased, lambda one: one.net_error),
        },
        "balanced stream": uniform_with_bias(quick),
    }


def main() -> None:
    """Print the figures; with ``--plot`` write the pictures of docs/decision-rule.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decision_rules", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer runs and points: does it work")
    parser.add_argument("--plot", type=Path, metavar="FOLDER", help="write decision-rules-*.png there")
    chosen = parser.parse_args()
    print(json.dumps(run(chosen.quick), indent=2))
    if chosen.plot is not None:
        from benchmarks import decision_rules_plot

        for path in decision_rules_plot.write(chosen.plot, chosen.quick):
            print(f"written: {path}")


if __name__ == "__main__":
    main()
