"""A second opinion beside lid.176's: what both say about a text in Latin letters, as one distribution.

The classifier decides between its own languages (the romanised ones, and those that lid.176 is weak in) and all others
together; among the others lid.176's evidence counts, weighted by how well each language agrees with the classifier::

    P(own)   ~  Q(own) * PRIOR
    P(other) ~  Q(any other) * lid(other) * sqrt(Q(other) / frequency(other) + FLOOR)      (the second part sums to 1)

Where no own language reaches :data:`SURE`, the first line is left out: a text that the classifier cannot place (names,
slang, a language it does not know) must not turn ``und`` because a tenth of a probability is scattered over the own
ones. ``frequency`` is how often a language was in training against the usual number of lines, so what is left is its
likelihood, not the prior of our corpus. The square root, because both models read the same letters and err together.
Constants were chosen on data that no table of `docs/language.md` is measured on; that page says which.
"""

from functools import cache
from math import sqrt
from statistics import median
from typing import Final

from pipeline.romanised.classifier import classify, facts

PRIOR: Final = 0.3
"""How much rarer than in the training lines the own languages are expected to be."""
SURE: Final = 0.5
"""Probability of an own language from which the classifier is heard on it."""
FLOOR: Final = 0.01
"""For a language that the classifier does not know, or rules out: it may be wrong as well."""
_LABELS: Final = {"sr-Latn": "sr"}
"""Tags whose label in the classifier is another."""


@cache
def own() -> frozenset[str]:
    """Tags on which the classifier decides. Raises ModelError."""
    return frozenset(facts().own)


@cache
def frequencies() -> dict[str, float]:
    """How often each other language was in training, 1 for the usual number of lines."""
    others = {label: count for label, count in facts().lines.items() if label not in own()}
    usual = median(others.values())
    return {label: count / usual for label, count in others.items()}


def both(evidence: dict[str, float], line: str) -> dict[str, float]:
    """Return lid.176's ``evidence`` (tag -> probability) on a cleaned line, joined with the classifier's opinion."""
    answer = classify(line)
    if not answer or not evidence:
        return evidence
    mine = {tag: p for tag, p in answer.items() if tag in own()}
    often = frequencies()
    others = {tag: p / often[tag] for tag, p in answer.items() if tag not in mine}
    total = sum(others.values())
    if total > 0.0:
        unknown = sqrt(FLOOR)
        agreed = {
            tag: p * (sqrt(others[label] / total + FLOOR) if (label := _LABELS.get(tag, tag)) in others else unknown)
            for tag, p in evidence.items()
        }
    else:
        agreed = dict(evidence)
    if max(mine.values(), default=0.0) < SURE:
        mine, left = {}, 1.0
    else:
        left = max(1e-4, 1.0 - sum(mine.values()))
    scale = left / (sum(agreed.values()) or 1.0)
    joined = {tag: p * scale for tag, p in agreed.items()}
    for tag, p in mine.items():
        joined[tag] = joined.get(tag, 0.0) + PRIOR * p
    return joined
