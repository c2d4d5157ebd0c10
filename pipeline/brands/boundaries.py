"""Where a name may begin and end, by the script of its edge and of what stands beside it.

Every rule looks at a bounded number of characters, so that a text of one million letters costs one pass.
"""

import unicodedata
from functools import lru_cache
from typing import Final

from pipeline.brands import endings
from pipeline.brands.fold import Folded
from pipeline.text import script

UNSPACED: Final = frozenset({"Hani", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})
"""Scripts whose words stand without spaces: a name may stand anywhere, but never split a syllable."""
_NO_COMPOUNDS: Final = frozenset(
    {"Deva", "Beng", "Guru", "Gujr", "Orya", "Taml", "Telu", "Knda", "Mlym", "Sinh", "Arab", "Hebr"}
)
_LEADING_VOWELS: Final = frozenset("เแโใไເແໂໃໄ")
_FOLLOWING_VOWELS: Final = frozenset("ะาำๅະາຳ")
_ZERO_WIDTH_BREAKS: Final = frozenset("\u200b\u200c\u2060\ufeff")


@lru_cache(maxsize=8192)
def kind(char: str) -> str:
    """Script of a letter or mark, ``9`` for a digit, ``""`` for anything that is no part of a word."""
    if char.isalpha() or unicodedata.category(char)[0] == "M":
        return script(char)
    return "9" if char.isnumeric() else ""


def word_after(text: str, end: int, limit: int) -> str | None:
    """The letters, marks and digits from ``end`` on; None when there are more than ``limit``."""
    stop = end
    while stop < len(text) and kind(text[stop]):
        stop += 1
        if stop - end > limit:
            return None
    return text[end:stop]


def word_before(text: str, start: int, limit: int) -> str | None:
    """The letters, marks and digits up to ``start``; None when there are more than ``limit``."""
    stop = start
    while stop > 0 and kind(text[stop - 1]):
        stop -= 1
        if start - stop > limit:
            return None
    return text[stop:start]


def begins(folded: Folded, start: int, *, hashtag: bool, compounds: bool) -> bool:  # noqa: PLR0911 - a table of rules
    """Whether a name may begin at ``start`` of the folded text.

    ``hashtag``: inside one, a capital after a small letter begins a word. ``compounds``: the name may be a second part.
    """
    if start == 0:
        return True
    text = folded.text
    before, first = kind(text[start - 1]), kind(text[start])
    if not before:
        return text[start - 1] != "@" or start < 2 or not (text[start - 2].isascii() and text[start - 2].isalnum())
    if not first:
        return True
    if before == "9":
        return first in UNSPACED or first in ("Kana", "Hira", "Hang", "Arab")
    if before != first:
        return first != "9" or before in UNSPACED or before in ("Kana", "Hira", "Hang")
    here, _ = folded.span(start, start + 1)
    if folded.original[here - 1] in _ZERO_WIDTH_BREAKS and (first == "Arab" or folded.original[here - 1] == "\u200b"):
        return True
    return _begins_within(folded, start, here, first, hashtag=hashtag, compounds=compounds)


def _begins_within(folded: Folded, start: int, here: int, first: str, *, hashtag: bool, compounds: bool) -> bool:  # noqa: PLR0911 - a table of rules
    """The same between two letters of one script; ``here`` is the original's index."""
    text = folded.text
    if first in UNSPACED:
        return text[start - 1] not in _LEADING_VOWELS
    if first == "Arab":
        prefix = word_before(text, start, endings.MAX_PREFIX)
        return prefix is not None and endings.is_arabic_prefix(prefix)
    if first == "Hebr":
        prefix = word_before(text, start, endings.MAX_PREFIX)
        return prefix is not None and endings.is_hebrew_prefix(prefix)
    if first == "Hira":
        return text[start - 1] in endings.HIRAGANA_BEFORE
    if first not in ("Latn", "Cyrl", "Grek", "Armn", "Geor"):
        return False
    if hashtag and folded.original[here].isupper() and folded.original[here - 1].islower():
        return True
    if not compounds:
        return False
    part = word_before(text, start, endings.MAX_COMPOUND)
    return part is not None and len(part) >= endings.MIN_COMPOUND_PART


def ends(  # noqa: PLR0911 - a table of rules
    folded: Folded, start: int, end: int, language: str, *, hashtag: bool, inflects: bool, compounds: bool | None
) -> bool:
    """Whether a name that began at ``start`` may end at ``end`` (exclusive) of the folded text.

    ``language`` is the primary subtag (its endings are allowed where ``inflects``); ``compounds`` as in ``Name``.
    """
    text = folded.text
    if end == len(text):
        return True
    after, last = kind(text[end]), kind(text[end - 1])
    if not after:
        return text[end] != "@" or end + 1 == len(text) or not kind(text[end + 1])
    if not last:
        return True
    if after == "9":
        return last != "9"
    if after != last:
        return last != "9" or after in UNSPACED or after in ("Kana", "Hira", "Hang")
    _, there = folded.span(end - 1, end)
    mark = folded.original[there : there + 1]
    if mark in _ZERO_WIDTH_BREAKS and (last == "Arab" or mark == "\u200b"):
        return True
    return _ends_within(folded, start, end, there, language, hashtag, inflects, compounds)


def _ends_within(  # noqa: PLR0911 - a table of rules
    folded: Folded,
    start: int,
    end: int,
    there: int,
    language: str,
    hashtag: bool,
    inflects: bool,
    compounds: bool | None,
) -> bool:
    """The same between two letters of one script; ``there`` is the original's index after the name."""
    text, script_name = folded.text, kind(folded.text[end - 1])
    if script_name in UNSPACED:
        return unicodedata.category(text[end])[0] != "M" and text[end] not in _FOLLOWING_VOWELS
    if script_name == "Kana":
        return False
    if script_name == "Hira":
        return text.startswith(endings.HIRAGANA_AFTER, end)
    if script_name == "Hang":
        return word_after(text, end, endings.MAX_KOREAN) in endings.KOREAN_PARTICLES
    if inflects and language in endings.ENDINGS:
        ending = word_after(text, end, endings.MAX_ENDING)
        if ending is not None and ending in endings.ENDINGS[language]:
            return True
    if script_name in _NO_COMPOUNDS:
        return False
    if hashtag and _hump(folded.original, folded.span(start, end)[0], there):
        return True
    return _compound_after(text, end, language, compounds)


def _hump(original: str, start: int, end: int) -> bool:
    """Whether a capital begins a new word at ``end``: NimbusFail, IBMFail."""
    if not original[end].isupper():
        return False
    if original[end - 1].islower():
        return True
    return original[start:end].isupper() and end + 1 < len(original) and original[end + 1].islower()


def _compound_after(text: str, end: int, language: str, compounds: bool | None) -> bool:
    if compounds is False or language not in endings.COMPOUNDING or (compounds is None and language != "de"):
        return False
    part = word_after(text, end, endings.MAX_COMPOUND)
    if part is None or len(part) < endings.MIN_COMPOUND_PART:
        return False
    return compounds is True or part in endings.GERMAN_HEADS or part.removeprefix("s") in endings.GERMAN_HEADS
