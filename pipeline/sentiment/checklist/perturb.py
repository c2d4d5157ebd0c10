"""Mechanical changes of a text that must not change its label, or only in one direction. Pure and without chance."""

import unicodedata
from typing import Final

from pipeline.text import script

HANDLE: Final = "@maria_k"
LINK: Final = "https://example.com/p/7"
EMOJI_UP: Final = " 😍🥰"
EMOJI_DOWN: Final = " 😡🤬"
STRETCHED: Final = 3
"""How many more of the letter: four in all, as in ``sooooo``; language detection shortens from three on as well."""
CASED: Final = frozenset({"Latn", "Cyrl", "Grek"})
"""Scripts with capital letters among those of the suite."""
SWAPPED: Final = CASED | {"Arab"}
"""Scripts in which two neighbouring letters can change places: one keystroke is one letter, and none is a mark."""
SHORTEST_SWAPPED: Final = 5
"""Shorter words become other words too easily."""

_TONOS: Final = "\u0301"


def capitals(text: str, language: str) -> str:
    """``text`` as its writers would shout it: Turkish ``i`` becomes ``İ``, Greek loses its accents."""
    primary = language.split("-", maxsplit=1)[0]
    if primary == "tr":
        return text.replace("i", "İ").upper()
    if language == "el":
        bare = unicodedata.normalize("NFD", text).replace(_TONOS, "")
        return unicodedata.normalize("NFC", bare).upper()
    return text.upper()


def stretched(text: str, position: int) -> str:
    """``text`` with the letter at ``position`` drawn out; after kana with the long mark, as in ``はやーーーい``."""
    letter = text[position]
    more = "ー" if script(letter) in {"Hira", "Kana"} else letter
    return text[: position + 1] + more * STRETCHED + text[position + 1 :]


def swapped(text: str) -> str | None:
    """``text`` with two inner letters of its longest word exchanged (CheckList's typo); None where there is none.

    Of words that are equally long the first is taken, and of its letters the two in the middle, or the next two that
    differ; the first and the last letter stay.
    """
    start, end = max(_words(text), key=lambda span: span[1] - span[0], default=(0, 0))
    if end - start < SHORTEST_SWAPPED:
        return None
    middle = (start + end) // 2 - 1
    inner = [at for at in range(start + 1, end - 2) if text[at] != text[at + 1]]
    if not inner:
        return None
    at = min(inner, key=lambda place: (abs(place - middle), place))
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _words(text: str) -> list[tuple[int, int]]:
    """Start and end of each run of letters."""
    spans: list[tuple[int, int]] = []
    start: int | None = None
    for at, char in enumerate(text + " "):
        if char.isalpha():
            start = at if start is None else start
        elif start is not None:
            spans.append((start, at))
            start = None
    return spans


def with_phrase(text: str, phrase: str, join: str) -> str:
    """``text`` and then ``phrase``, as two sentences; ``join`` ends a text that has no mark at its end."""
    if unicodedata.category(text[-1])[0] in "LMN":
        return text + join + phrase
    return f"{text} {phrase}"
