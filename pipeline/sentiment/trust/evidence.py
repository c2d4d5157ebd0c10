"""What can be seen of a language without labels: parallel sentences against English, and pieces of the vocabulary."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from pipeline.dashboard.statistics import wilson
from pipeline.errors import ModelError
from pipeline.sentiment.correction import Float64
from pipeline.sentiment.measure.bootstrap import RESAMPLES, SEED, generator, percentile
from pipeline.sentiment.model import SentimentModel
from pipeline.sentiment.tokenizer import Tokens
from pipeline.sentiment.trust.languages import own_script
from pipeline.sentiment.trust.table import Number
from pipeline.text import script

ENGLISH: Final = "en"
UNKNOWN_PIECE: Final = 3
"""Id of ``<unk>`` in XLM-R's vocabulary."""
SPECIAL_PIECES: Final = 4
"""Of every text: begin, end, and the two of ``query:``."""
UNREADABLE: Final = 0.05
"""Below this share of known letters a script counts as not in the vocabulary (found: Thaana 0, Tibetan 0.02,
Mongolian 0.02; the next is 0.16, by rare letters alone)."""
_LETTERS: Final = 500
"""Of a script are looked up, evenly spread."""
_LOWEST: Final = 1e-6


class Tokenizer(Protocol):
    """Cuts normalised texts into pieces."""

    def encode(self, texts: Sequence[str]) -> list[Tokens]:
        """Ids of each text."""


@dataclass(frozen=True)
class Sentences:
    """How one language's translations are judged, against the English sentences."""

    count: int
    agreement: Number
    divergence: Number
    pieces: float
    unknown_pieces: float

    @property
    def unsure(self) -> float:
        """Standard deviation of the agreement from drawing so many sentences."""
        share = (self.agreement.value * self.count + 2) / (self.count + 4)
        return math.sqrt(share * (1 - share) / (self.count + 4))


def read_parallel(folder: Path) -> dict[str, list[str]]:
    """Lines of every ``<tag>.txt`` by tag. Raises ModelError unless all have as many lines as ``en.txt``."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.glob("*.txt")):
        try:
            found[path.stem] = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path} cannot be read ({error})") from None
    if ENGLISH not in found:
        raise ModelError(f"{folder} has no {ENGLISH}.txt: the other languages are compared with it")
    wanted = len(found[ENGLISH])
    for tag, lines in found.items():
        if len(lines) != wanted or not wanted or not all(line.strip() for line in lines):
            raise ModelError(
                f"{folder / tag}.txt has {len(lines)} lines, {ENGLISH}.txt {wanted}: line n must translate line n, and "
                "none may be empty"
            )
    return found


def compare(model: SentimentModel, tokens: Tokenizer, sentences: Mapping[str, Sequence[str]]) -> dict[str, Sentences]:
    """Each language of ``sentences`` against English, with the rule that the model serves."""
    english = _posteriors(model, sentences[ENGLISH], ENGLISH)
    base, _ = _pieces(tokens, sentences[ENGLISH])
    found = {}
    for tag, lines in sentences.items():
        own = english if tag == ENGLISH else _posteriors(model, lines, tag)
        same = int((own.argmax(axis=1) == english.argmax(axis=1)).sum())
        pieces, unknown = _pieces(tokens, lines)
        found[tag] = Sentences(
            count=len(lines),
            agreement=_share(same, len(lines)),
            divergence=_divergence(english, own, tag),
            pieces=round(pieces / base, 3),
            unknown_pieces=round(unknown / pieces, 5),
        )
    return found


def _posteriors(model: SentimentModel, lines: Sequence[str], tag: str) -> Float64:
    """Probabilities [n, 3]; a rule that abstains has them all the same."""
    decided = model.decide(model.log_probabilities(lines), [tag] * len(lines))
    return np.asarray([(one.negative, one.neutral, one.positive) for one in decided], np.float64)


def _divergence(english: Float64, own: Float64, tag: str) -> Number:
    first, second = np.maximum(english, _LOWEST), np.maximum(own, _LOWEST)
    each = (first * np.log(first / second)).sum(axis=1)
    drawn = generator(SEED, "divergence", tag).integers(0, len(each), (RESAMPLES, len(each)))
    low, high = percentile(each[drawn].mean(axis=1))
    return Number(round(float(each.mean()), 4), round(low, 4), round(high, 4))


def _pieces(tokens: Tokenizer, lines: Sequence[str]) -> tuple[int, int]:
    """Pieces of all lines, without those that every text has; and how many of them are unknown."""
    encoded = tokens.encode(list(lines))
    pieces = sum(len(one.ids) - SPECIAL_PIECES for one in encoded)
    return max(1, pieces), sum(one.ids.count(UNKNOWN_PIECE) for one in encoded)


def _share(right: int, total: int) -> Number:
    return Number(*(round(part, 4) for part in wilson(right, total)))


class Vocabulary:
    """Whether the pieces include the letters of a script."""

    def __init__(self, tokens: Tokenizer) -> None:
        self._tokens = tokens
        self._known: dict[str, bool] = {}

    def reads(self, tag: str) -> bool:
        """Whether the vocabulary has more than single letters of the script that ``tag`` is written in."""
        name = own_script(tag)
        if name not in self._known:
            letters = _letters().get(name, [])
            letters = letters[:: max(1, len(letters) // _LETTERS)]
            lacking = sum(UNKNOWN_PIECE in one.ids for one in self._tokens.encode(letters)) if letters else 0
            self._known[name] = not letters or 1 - lacking / len(letters) >= UNREADABLE
        return self._known[name]


@cache
def _letters() -> dict[str, list[str]]:
    """Letters of the basic plane by script."""
    found: dict[str, list[str]] = {}
    for code in range(0x10000):
        if unicodedata.category(chr(code)) in ("Lo", "Lu", "Ll"):
            found.setdefault(script(chr(code)), []).append(chr(code))
    return found
