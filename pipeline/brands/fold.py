"""Texts and names brought to one form, with the way back to the original's code points.

One character at a time (so the way back is exact): NFKD (full-width, half-width, presentation forms, ligatures), case
folded, diacritics and vowel points dropped, letters of one meaning joined (Arabic alef, ya and kaf in their variants),
hyphens, underscores and spaces as one space, zero-width characters, tatweel and soft hyphens gone. Marks that make a
different letter or syllable stay (Indic vowel signs, Thai tones, dakuten, the breve of й).
"""

import unicodedata
from bisect import bisect_left
from typing import Final

_DROPPED_MARKS: Final = (
    (0x0300, 0x036F),  # combining diacritics (Latin, Greek, Cyrillic)
    (0x0483, 0x0489),
    (0x0591, 0x05C7),  # Hebrew points
    (0x0610, 0x061A),
    (0x064B, 0x065F),  # harakat, hamza above and below
    (0x0670, 0x0670),
    (0x06D6, 0x06ED),
    (0x093C, 0x093C),  # nukta of the Indic scripts: people leave it out
    (0x09BC, 0x09BC),
    (0x0A3C, 0x0A3C),
    (0x0ABC, 0x0ABC),
    (0x0B3C, 0x0B3C),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
    (0xE0100, 0xE01EF),
)
_SAME: Final = {
    "ı": "i", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ħ": "h", "ŧ": "t",
    "ى": "ي", "ی": "ي", "ې": "ي", "ک": "ك", "ة": "ه", "ۀ": "ه", "ە": "ه", "ٱ": "ا",
    "\u0901": "\u0902",  # chandrabindu, anusvara
    "’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "′": "'", "׳": "'",
    "・": " ", "·": " ", "_": " ",
}  # fmt: skip
_AS_THEY_ARE: Final = {"й": "й", "Й": "й", "ў": "ў", "Ў": "ў", "´": "'", "ー": "ー"}

_BREVE: Final = "\u0306"
_WITH_BREVE: Final = {"и": "й", "у": "ў"}


def _dropped(char: str) -> bool:
    point = ord(char)
    return any(first <= point <= last for first, last in _DROPPED_MARKS)


class _Table(dict[str, str]):
    """Character -> its folded form, filled as characters turn up (a few thousand at most)."""

    def __missing__(self, char: str) -> str:
        self[char] = folded = _fold_char(char)
        return folded


def _fold_char(char: str) -> str:
    if char in _AS_THEY_ARE:
        return _AS_THEY_ARE[char]
    category = unicodedata.category(char)
    if category == "Cf" or char == "\u0640":
        return ""
    if category in ("Zs", "Zl", "Zp", "Cc", "Pd", "Pc"):
        return " "
    folded = []
    for part in unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold()):
        if not _dropped(part):
            folded.append(_SAME.get(part, part))
    joined = "".join(folded)
    return " " if joined.isspace() else joined


TABLE: Final = _Table()
_ASCII: Final = {point: _fold_char(chr(point)) for point in range(128)}


class Folded:
    """A folded text: ``text`` to search in, and :meth:`span` back to the original's code points."""

    __slots__ = ("_parts", "_starts", "original", "text")

    def __init__(self, original: str) -> None:
        """Fold ``original``; linear in its length."""
        self.original = original
        self._parts: list[str] | None = None
        self._starts: list[int] | None = None
        if original.isascii():
            self.text = original.translate(_ASCII)
            if "  " not in self.text:
                return
        parts = [TABLE[char] for char in original]
        if _BREVE in original:
            _compose_breves(original, parts)
        self.text = "".join(parts)
        if "  " in self.text:
            _squeeze(parts)
            self.text = "".join(parts)
        # Else each part is one character: the way back is the same index.
        if "" in parts or len(self.text) != len(original):
            self._parts = parts

    def whole(self, start: int, end: int) -> bool:
        """Whether [start, end) of ``text`` begins and ends where an original character does ('s' of 'ß' does not)."""
        starts = self._index()
        if starts is None:
            return True
        return (start == 0 or starts[start] != starts[start - 1]) and (
            end == len(self.text) or starts[end] != starts[end - 1]
        )

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Code points of the original for [start, end) of ``text``, with the dropped marks of its last letter."""
        starts = self._index()
        if starts is None or self._parts is None:
            return start, end
        first, last = starts[start], starts[end - 1] + 1
        while (
            last < len(self._parts)
            and not self._parts[last]
            and unicodedata.category(self.original[last]) in ("Mn", "Lm")
        ):
            last += 1
        return first, last

    def folded_index(self, original_index: int) -> int:
        """Where the folded form of the original's character ``original_index`` begins (or would)."""
        starts = self._index()
        return original_index if starts is None else bisect_left(starts, original_index)

    def _index(self) -> list[int] | None:
        """For each folded character the original's index; None when they are the same. Built when first needed."""
        if self._parts is None:
            return None
        if self._starts is None:
            self._starts = [index for index, part in enumerate(self._parts) for _ in part]
        return self._starts


def _compose_breves(original: str, parts: list[str]) -> None:
    """Decomposed й and ў as their own letters, in place."""
    for index, char in enumerate(original):
        if char == _BREVE and index and parts[index - 1] in _WITH_BREVE:
            parts[index - 1] = _WITH_BREVE[parts[index - 1]]


def _squeeze(parts: list[str]) -> None:
    """Runs of white space as one space, in place."""
    space = False
    for index, part in enumerate(parts):
        if part == " ":
            if space:
                parts[index] = ""
            space = True
        elif part:
            space = False


def fold(text: str) -> str:
    """The folded form alone, without spaces at the ends."""
    return Folded(text).text.strip()
