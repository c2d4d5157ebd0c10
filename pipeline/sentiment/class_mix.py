"""The stream's own class mix, estimated without labels: expectation maximisation (Saerens, Latinne, Decaestecker 2002).

A rule that treats the classes as equally likely gives the rare ones too often. Where posteriors are calibrated, the mix
under which they fit best can be found from them alone, and taken into account. **Off unless switched on**
(``BABELWATCH_CLASS_MIX=on``), because it cannot tell a model's bias from the stream's mix: a model that leans to
neutral in one language by a logit makes it find a neutral mix there, and lean further (docs/decision-rule.md shows it).

So it is bounded: no class below 5% or above 85%; shrunk towards the uniform mix by how much the texts say about it; and
frozen for ten minutes at a time, so that a mention that is delivered again gets the label that it had.
"""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct

from pipeline.metrics import CLASS_MIX
from pipeline.sentiment.correction import Float64
from schemas.events import LABELS

log = logging.getLogger(__name__)

UNIFORM: Final = 1 / len(LABELS)
LOW: Final = 0.05
HIGH: Final = 0.85
"""Bounds of each class's share: what an estimate may claim at most."""
PSEUDO_MENTIONS: Final = 50.0
"""The uniform mix counts as much as so many labelled mentions: an estimate that is worth 50 is believed by half."""
MIN_EFFECTIVE: Final = 30.0
"""Below so many effective mentions a language has no mix of its own."""

Shares = tuple[float, float, float]


class MixEstimate(Struct, frozen=True, kw_only=True):
    """The mix of one set of texts, in LABELS' order."""

    found: Shares
    """The maximum of the likelihood."""
    used: Shares
    """The same shrunk towards the uniform mix, and bounded."""
    texts: int
    effective: float
    """How many labelled texts would tell the mix as surely: the confidence of the estimate."""


class FrozenMix(Struct, frozen=True, kw_only=True):
    """The mixes by language that hold for one span of time. ``ident`` is in the rule's name of what they judged."""

    ident: str
    shares: dict[str, Shares]

    def shift(self, language: str) -> Float64:
        """What is added to a log posterior that took the classes as equally likely; zeros without a mix."""
        shares = self.shares.get(language)
        return np.zeros(len(LABELS)) if shares is None else np.log(np.asarray(shares) / UNIFORM)


def estimate_mix(posteriors: Float64, *, rounds: int = 100, tolerance: float = 1e-6) -> MixEstimate:
    """The mix of texts with ``posteriors`` [n, 3] that hold for equally likely classes.

    The likelihood is concave in the mix, so that the one maximum is found from any start; where classes overlap much
    plain EM creeps towards it, so two steps are extrapolated to one (SQUAREM, Varadhan & Roland 2008).
    """
    rows = np.asarray(posteriors, np.float64).reshape(-1, len(LABELS))
    mix = np.full(len(LABELS), UNIFORM)
    if not len(rows):
        return MixEstimate(found=_triple(mix), used=_triple(mix), texts=0, effective=0.0)
    rows = np.maximum(rows, 1e-12)
    for _ in range(rounds):
        before, mix = mix, _leap(rows, mix)
        if float(np.abs(mix - before).max()) < tolerance:
            break
    effective = _effective(rows, bounded(mix))
    shrunk = (effective * mix + PSEUDO_MENTIONS * UNIFORM) / (effective + PSEUDO_MENTIONS)
    return MixEstimate(found=_triple(mix), used=_triple(bounded(shrunk)), texts=len(rows), effective=effective)


def _step(rows: Float64, mix: Float64) -> Float64:
    """One round of EM: the mean posterior under ``mix``."""
    return np.asarray(mix * (rows.T @ (1 / (rows @ mix))) / len(rows), np.float64)


def _leap(rows: Float64, mix: Float64) -> Float64:
    once = _step(rows, mix)
    twice = _step(rows, once)
    change, bend = once - mix, twice - 2 * once + mix
    if float(np.abs(bend).max()) < 1e-12:
        return twice
    length = max(1.0, float(np.linalg.norm(change) / np.linalg.norm(bend)))
    leap = np.maximum(mix + 2 * length * change + length**2 * bend, 1e-9)
    leap = _step(rows, leap / leap.sum())
    better = np.log(rows @ leap).sum() >= np.log(rows @ twice).sum()
    return leap if better else twice


def bounded(mix: Float64, low: float = LOW, high: float = HIGH) -> Float64:
    """The mix with ``low <= share <= high`` that is nearest by Kullback-Leibler divergence: clip(c * share), sum 1."""
    inner, outer = 0.0, high / max(float(mix.min()), 1e-12)
    for _ in range(80):
        middle = (inner + outer) / 2
        if np.clip(middle * mix, low, high).sum() < 1:
            inner = middle
        else:
            outer = middle
    clipped = np.clip(outer * mix, low, high)
    return np.asarray(clipped / clipped.sum(), np.float64)


def _effective(rows: Float64, mix: Float64) -> float:
    """Variance that one labelled text would leave in ``mix``, over the one that these leave (observed information).

    With posteriors of 0 and 1 it is the number of texts; with posteriors that are all equal it is 0.
    """
    density = (rows * mix).sum(axis=1, keepdims=True)
    slopes = (rows[:, :-1] - rows[:, -1:]) / density
    information = slopes.T @ slopes
    if np.linalg.cond(information) > 1e10:
        return 0.0
    covariance = np.linalg.inv(information)
    spread = np.vstack([np.eye(len(LABELS) - 1), -np.ones(len(LABELS) - 1)])
    left = float(np.trace(spread @ covariance @ spread.T))
    return min(float(len(rows)), float((mix * (1 - mix)).sum()) / left)


def _triple(mix: Float64) -> Shares:
    negative, neutral, positive = (round(float(share), 4) for share in mix)
    return negative, neutral, positive


class MixPolicy(Struct, frozen=True, kw_only=True):
    """How long a mix holds and what it is estimated from."""

    freeze_s: float = 600.0
    """A mix holds for so long: longer would lag behind the stream, shorter would leave few mentions under one mix."""
    slices: int = 6
    """It is estimated from so many spans before it: the last hour."""
    texts: int = 2000
    """Texts of one language kept of one span, the first ones: what more would add is below the model's own bias."""
    remembered: int = 36
    """Frozen mixes kept for redeliveries: six hours."""


class MixTracker:
    """By language over a sliding window, by the time at which a mention was received. One thread at a time."""

    def __init__(self, policy: MixPolicy | None = None) -> None:
        self._policy = policy or MixPolicy()
        self._seen: dict[int, dict[str, list[Float64]]] = {}
        self._frozen: dict[int, FrozenMix | None] = {}

    def span(self, received_s: float) -> int:
        """Number of the span that a time (Unix seconds) is in."""
        return int(received_s // self._policy.freeze_s)

    def observe(self, received_s: Sequence[float], languages: Sequence[str], posteriors: Float64) -> None:
        """Take in posteriors [n, 3] for equally likely classes. They count in the spans after their own."""
        for at, language, row in zip(received_s, languages, posteriors, strict=True):
            span = self.span(at)
            kept = self._seen.setdefault(span, {}).setdefault(language, [])
            if len(kept) < self._policy.texts:
                kept.append(row)
        self._forget()

    def mix(self, received_s: float) -> FrozenMix | None:
        """The mix that was frozen when the first mention of this time's span came; None where too little was known."""
        span = self.span(received_s)
        if span not in self._frozen:
            self._frozen[span] = self._freeze(span)
        return self._frozen[span]

    def _freeze(self, span: int) -> FrozenMix | None:
        shares: dict[str, Shares] = {}
        said = []
        for language, rows in sorted(self._window(span)):
            estimate = estimate_mix(np.stack(rows))
            used = estimate.effective >= MIN_EFFECTIVE
            CLASS_MIX.labels("used" if used else "too_few").inc()
            if used:
                shares[language] = estimate.used
                negative, neutral, positive = (round(100 * share) for share in estimate.used)
                said.append(f"{language} {negative}/{neutral}/{positive} ({len(rows)}, worth {estimate.effective:.0f})")
        if not shares:
            return None
        digest = hashlib.sha256(json.dumps(shares, sort_keys=True).encode()).hexdigest()
        frozen = FrozenMix(ident=f"mix-{digest[:6]}", shares=shares)
        since = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(span * self._policy.freeze_s))
        log.info("class mix %s from %s on, negative/neutral/positive in %%: %s", frozen.ident, since, ", ".join(said))
        return frozen

    def _window(self, span: int) -> Iterator[tuple[str, list[Float64]]]:
        together: dict[str, list[Float64]] = {}
        for earlier in range(span - self._policy.slices, span):
            for language, rows in self._seen.get(earlier, {}).items():
                together.setdefault(language, []).extend(rows)
        yield from together.items()

    def _forget(self) -> None:
        """Drop what no window needs any more, counted from the newest span (a late mention drops nothing)."""
        newest = max(self._seen, default=0)
        for old in [span for span in self._seen if span < newest - self._policy.slices]:
            del self._seen[old]
        for old in [span for span in self._frozen if span < newest - self._policy.remembered]:
            del self._frozen[old]
