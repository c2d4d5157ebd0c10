"""From a seed to what goes wrong, where, for how long, and at which point of the stream; pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of fault that can be drawn. ``shortest`` and ``longest`` bound how long it lasts, in seconds."""

    fault: str
    targets: tuple[str, ...]
    shortest: float
    longest: float


@dataclass(frozen=True)
class Planned:
    """``fault`` hits ``target`` for ``seconds`` once ``at`` messages were sent. ``seed`` is for details of its own."""

    at: int
    fault: str
    target: str
    seconds: float
    seed: int


def draw(seed: int, mentions: int, faults: int, kinds: Sequence[Kind]) -> list[Planned]:
    """Return ``faults`` faults over a stream of ``mentions`` messages, in order; the same arguments give the same.

    Every kind comes once before one comes twice. None in the first and last twentieth of the stream: there is traffic
    before and after each.
    """
    if faults and not kinds:
        raise ValueError("no kind of fault is available")
    rng = random.Random(seed)
    points = sorted(rng.randint(mentions // 20, max(mentions // 20, mentions - mentions // 20)) for _ in range(faults))
    deck: list[Kind] = []
    planned = []
    for at in points:
        if not deck:
            deck = list(kinds)
            rng.shuffle(deck)
        kind = deck.pop()
        seconds = round(rng.uniform(kind.shortest, kind.longest), 2)
        planned.append(Planned(at, kind.fault, rng.choice(kind.targets), seconds, rng.getrandbits(32)))
    return planned
