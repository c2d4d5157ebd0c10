"""The training lines of the classifier: romanised text that is generated, and real text in other languages.

A line is made like this: a text of the language (or a phrase), written by a :class:`~.spelling.Writer` with habits of
its own, cut to a few words (as short as posts are), with English words among them (as posts in these languages have).
Every language gets its own label, so that the classifier learns what tells them apart; which of them it decides on is
in `model.json`.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pipeline.romanised import phrases, sources
from pipeline.romanised.classifier import prepare
from pipeline.romanised.letters import SHADDA, Hand
from pipeline.romanised.spelling import DIACRITICS, Writer
from pipeline.text import clean_for_language

NATIVE: Final = {
    "hi-Latn": "hi", "ar-Latn": "ar", "el-Latn": "el", "ru-Latn": "ru", "ja-Latn": "ja", "th-Latn": "th",
    "fa-Latn": "fa", "bn-Latn": "bn", "ta-Latn": "ta",
}  # fmt: skip
"""Class -> language whose native text is romanised. Romanised Urdu is hi-Latn: see the card."""
MENDED: Final = ("id", "sw")
"""Languages that lid.176 knows but is weak in; they get as many lines as a romanised one."""
LINES: Final = 60_000
OTHER_LINES: Final = 9_000
ENGLISH_LINES: Final = 160_000
NATIVE_TEXTS: Final = 25_000
"""Native texts a language at most: transliterating them is what takes time."""
TALK: Final = 0.25
"""Share of phrases."""
MIXED: Final = {"hi-Latn": 0.45}
MIXED_ELSE: Final = 0.2
"""Share of lines with English words among them."""
SHORT_FORMS: Final = 0.1
"""Share of English lines in the short forms of messages."""
QUOTED: Final = 0.08
"""Share of English lines with words of another language in them."""
FOLDED: Final = 0.15
"""Share of lines in other languages without their accents, as on a plain keyboard."""
VOCALISED: Final = 0.7
"""Share of a Persian text's words whose vowels must be known."""

_BARE: Final = str.maketrans({"ı": "i", "ł": "l", "ø": "o", "đ": "d", "ß": "ss", "æ": "ae", "œ": "oe"})

Say = Callable[[str], None]


def cut(text: str, rng: random.Random) -> str:
    """A run of 1 to 9 words, or the whole text in a third of the cases (24 words at most)."""
    words = text.split()
    if rng.random() < 0.34 or len(words) < 2:
        return " ".join(words[:24])
    length = min(len(words), rng.choice((1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9)))
    start = rng.randrange(len(words) - length + 1)
    return " ".join(words[start : start + length])


def mix(text: str, english: list[str], share: float, rng: random.Random) -> str:
    """Put runs of 1 to 3 English words into ``share`` of the texts; at least half of the words stay."""
    words = text.split()
    if rng.random() >= share or len(words) < 3:
        return text
    for _ in range(rng.randint(1, max(1, len(words) // 4))):
        loan = rng.choice(english).split()[:60]
        at = rng.randrange(len(loan)) if loan else 0
        place = rng.randrange(len(words) + 1)
        words[place : place + rng.choice((0, 1))] = loan[at : at + rng.choice((1, 1, 2, 3))]
    return " ".join(words)


def persian(folder: Path) -> list[str]:
    """Persian texts with vowels: those written with them, and others whose words are known from those."""
    written = sources.texts(folder, "fa-vowels")
    known: dict[str, str] = {}
    for line in written:
        for word in re.findall(r"[\w\u064b-\u0652\u200c]+", line):
            if DIACRITICS.search(word):
                known.setdefault(DIACRITICS.sub("", word), word)
    found = list(written)
    for line in sources.texts(folder, "fa"):
        words = re.findall(r"[\w\u200c]+", DIACRITICS.sub("", line))
        if words and sum(word in known for word in words) >= VOCALISED * len(words):
            found.append(" ".join(known.get(word, word) for word in words))
    return found


def arabic(folder: Path) -> list[str]:
    """Arabic texts, most of those with vowel signs (scripture, verse) left out."""
    return [text for text in sources.texts(folder, "ar") if SHADDA not in text and len(DIACRITICS.findall(text)) < 4]


def serbian(texts: list[str], rng: random.Random) -> list[str]:
    """Serbian in Latin letters."""
    return [Hand("sr", rng).write(text.lower()) for text in texts]


def folded(text: str) -> str:
    """``text`` without accents."""
    bare = "".join(char for char in unicodedata.normalize("NFD", text) if unicodedata.category(char) != "Mn")
    return bare.translate(_BARE)


def tidy(text: str) -> str:
    """What the classifier is given for ``text``."""
    return prepare(clean_for_language(text))


class Corpus:
    """All texts, read once; lines are dealt from them with one seeded generator. Needs the training packages."""

    def __init__(self, folder: Path, seed: int) -> None:
        """``folder``: the clones of :mod:`~.sources`. Raises InputError."""
        self.rng = random.Random(seed)  # noqa: S311 - not for secrets
        self.folder = folder
        self.english = [tidy(text) for text in sources.texts(folder, "en")]
        self.foreign: list[str] = []
        """Some romanised lines, for English texts that quote a few words."""

    def native(self, language: str) -> list[str]:
        """Texts in the language's own script, ``NATIVE_TEXTS`` at most."""
        special = {"fa": persian, "ar": arabic}.get(language)
        texts = special(self.folder) if special else sources.texts(self.folder, language)
        return [clean_for_language(text) for text in self.rng.sample(texts, min(len(texts), NATIVE_TEXTS))]

    def romanised(self, label: str, lines: int) -> Iterator[str]:
        """``lines`` lines of a romanised language."""
        language = NATIVE[label]
        texts = self.native(language)
        for _ in range(lines):
            if self.rng.random() < TALK:
                text = phrases.speak(label, self.rng)
            else:
                writer = Writer(language, self.rng)
                text = self.rng.choice(texts)
                whole = language in ("ja", "th")  # no spaces: cut what is written
                text = cut(writer.write(text), self.rng) if whole else writer.write(cut(text, self.rng))
            text = prepare(text)
            if self.rng.random() < QUOTED:
                self.foreign.append(text)
            yield mix(text, self.english, MIXED.get(label, MIXED_ELSE), self.rng)

    def plain(self, language: str, lines: int) -> Iterator[str]:
        """``lines`` lines of a language in its usual Latin letters."""
        texts = sources.texts(self.folder, language)
        texts = self.rng.sample(texts, min(len(texts), 2 * lines))
        texts = serbian(texts, self.rng) if language == "sr" else texts
        texts = [tidy(text) for text in texts]
        for _ in range(lines):
            if language in MENDED and self.rng.random() < TALK:
                text = phrases.speak(language, self.rng)
            else:
                text = cut(self.rng.choice(texts), self.rng)
            text = folded(text) if self.rng.random() < FOLDED else text
            yield mix(text, self.english, MIXED_ELSE, self.rng) if language in MENDED else text

    def plain_english(self, lines: int) -> Iterator[str]:
        """English, some of it in short forms (``gr8 2 c u``), some with a few romanised words in it."""
        for _ in range(lines):
            text = cut(self.rng.choice(self.english), self.rng)
            if self.rng.random() < SHORT_FORMS:
                text = Writer("en", self.rng).write(text)
            yield mix(text, self.foreign, QUOTED, self.rng) if len(text.split()) > 5 else text

    def lines(self, say: Say, share: float = 1.0) -> Iterator[tuple[str, str]]:
        """(label, line) of everything, language by language; ``share`` of the usual numbers."""
        for label in NATIVE:
            say(f"writing {label}")
            yield from ((label, line) for line in self.romanised(label, round(LINES * share)) if line)
        apart = {*NATIVE.values(), "fa-vowels", "en"}
        for language in sorted({source.language for source in sources.statement()} - apart):
            count = LINES if language in MENDED else OTHER_LINES
            yield from ((language, line) for line in self.plain(language, round(count * share)) if line)
        say("writing en")
        yield from (("en", line) for line in self.plain_english(round(ENGLISH_LINES * share)) if line)
