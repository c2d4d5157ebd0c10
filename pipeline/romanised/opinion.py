"""A second opinion beside lid.176's: what both say about a text in Latin letters, as one distribution.

The classifier decides between its own languages (the romanised ones, and those that lid.176 is weak in) and all others
together; among the others lid.176's evidence counts, weighted by how well each language agrees with the classifier::

    P(own)   ~  Q(own) * prior(words) * (1 - lid(the likeliest other))
    P(other) ~  Q(any other) * lid(other) * sqrt(Q(other) / frequency(other) + FLOOR)      (the second part sums to 1)

Where no own language reaches :data:`SURE`, the first line is left out: a text that the classifier cannot place (names,
slang, a language it does not know) must not turn ``und`` because a tenth of a probability is scattered over the own
ones. Where they have as much together (romanised Telugu), the second is left out as well: lid.176 speaks alone.
``prior`` is how much rarer an own language is expected to be than in training, and smaller for a text of few words:
two words of another language, or a name (``Toyota``), look like any of them. The last factor, where lid.176 has no
class for the own language, is for English news about people with Indian names. ``frequency`` is how often a language
was in training against the usual number of lines, so what is left is its likelihood, not the prior of our corpus. The
square root, because both models read the same letters and err together. `docs/language.md` says what the constants
were chosen on.
"""

from functools import cache
from math import sqrt
from statistics import median
from typing import Final

from pipeline.romanised.classifier import classify, facts, prepare

PRIORS: Final = (0.01, 0.02, 0.08, 0.15, 0.2, 0.3)
"""Of a text of 1, 2, 3, 4, 5 words, and of more: from 2 words on, a language of ours needs a Q of at least 0.98, 0.93,
0.87, 0.83, 0.77. Chosen so that at most 0.6% of pieces of 2 words out of English tweets and reviews, and half of that
for longer ones, are called romanised."""
ONE_WORD: Final = 0.02
"""What the others together get of a single word at least: it never is a language of ours without a hint."""
CERTAIN: Final = 1e-4
"""The same for longer texts: softmax ends near 1, and no answer is that sure."""
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
    """Return lid.176's ``evidence`` (tag -> probability) on a cleaned line, joined with the classifier's opinion.

    What comes back sums to 1, unless the classifier has nothing to say on the others: then it is ``evidence`` itself.
    """
    words = prepare(line)
    answer = classify(words)
    total = sum(evidence.values())
    if not answer or total <= 0.0:
        return evidence
    mine = {tag: p for tag, p in answer.items() if tag in own()}
    if max(mine.values(), default=0.0) < SURE:
        if sum(mine.values()) >= SURE:
            return evidence
        heard, left = {}, 1.0
    else:
        count = len(words.split())
        prior = PRIORS[min(count, len(PRIORS)) - 1]
        doubt = 1.0 - max((p for tag, p in evidence.items() if tag not in own()), default=0.0) / total
        heard = {tag: prior * p * (1.0 if tag in evidence else doubt) for tag, p in mine.items()}
        left = max(ONE_WORD if count == 1 else CERTAIN, 1.0 - sum(mine.values()))
    joined = _agreed(evidence, {tag: p for tag, p in answer.items() if tag not in mine}, left)
    for tag, p in heard.items():
        joined[tag] = joined.get(tag, 0.0) + p
    scale = 1.0 / sum(joined.values())
    return {tag: p * scale for tag, p in joined.items()}


def _agreed(evidence: dict[str, float], answer: dict[str, float], left: float) -> dict[str, float]:
    """lid.176's ``evidence``, each language weighted by how well it agrees with the classifier; sums to ``left``."""
    often = frequencies()
    others = {tag: p / often[tag] for tag, p in answer.items()}
    total = sum(others.values()) or 1.0
    agreed = {tag: p * sqrt(others.get(_LABELS.get(tag, tag), 0.0) / total + FLOOR) for tag, p in evidence.items()}
    scale = left / (sum(agreed.values()) or 1.0)
    return {tag: p * scale for tag, p in agreed.items()}
