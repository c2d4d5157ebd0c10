"""A deterministic judge in place of the model, for volume: it judges a text in microseconds.

One text in ten is *restless*: its label also depends on the process and on the call, so that a redelivered mention
comes out with another label, as it does after a new model. Counts must not notice.
"""

import hashlib
import os
from collections.abc import Sequence
from itertools import count
from typing import Final

from pipeline.sentiment.class_mix import FrozenMix
from pipeline.sentiment.rule import LogProbabilities
from schemas.events import LABELS, Judgement, Label

NAME: Final = "chaos-judge"
RESTLESS_OF_256: Final = 26
"""26/256 = 10.2% of texts."""

_SURE: Final = 0.8
_REST: Final = 0.1
_LOG_SURE: Final = -0.2231
_LOG_REST: Final = -2.3026


def _digest(text: str, salt: bytes = b"") -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=2, key=salt).digest()


def stable_label(text: str) -> Label | None:
    """The label that every process gives ``text`` every time; None for a restless one."""
    digest = _digest(text)
    return None if digest[0] < RESTLESS_OF_256 else LABELS[digest[1] % 3]


class Judge:
    """A :class:`pipeline.sentiment.model.SentimentModel`: label by hash, probabilities 0.8, 0.1, 0.1."""

    name = NAME
    rule = "hash"

    def __init__(self) -> None:
        self._salt = os.urandom(8)
        self._calls = count()

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        """One judgement per text, in order."""
        return self.decide(self.log_probabilities(texts), languages)

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        """The label's is the greatest."""
        call = next(self._calls).to_bytes(8, "big")
        found = []
        for text in texts:
            label = stable_label(text) or LABELS[_digest(text, self._salt + call)[1] % 3]
            values = [_LOG_SURE if name == label else _LOG_REST for name in LABELS]
            found.append((values[0], values[1], values[2]))
        return found

    def decide(
        self,
        values: Sequence[LogProbabilities],
        languages: Sequence[str],
        mixes: Sequence[FrozenMix | None] | None = None,
    ) -> list[Judgement]:
        """The greatest probability wins, in every language and under every class mix."""
        found = []
        for triple in values:
            best = max(range(3), key=triple.__getitem__)
            negative, neutral, positive = (_SURE if i == best else _REST for i in range(3))
            found.append(
                Judgement(
                    model=self.name,
                    rule=self.rule,
                    label=LABELS[best],
                    negative=negative,
                    neutral=neutral,
                    positive=positive,
                    log_probabilities=(triple[0], triple[1], triple[2]),
                )
            )
        return found
