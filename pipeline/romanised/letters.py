"""Letter by letter into Latin as people do it on a keyboard: Arabic, Persian, Greek, Russian, Serbian.

Here no library is asked: what the romanisers of libraries and passports produce (ISO 843, BGN) is what nobody types,
and it loses what is typical (7 for ح, 8 for θ, 4 for ч). Each letter has the spellings in use; a :class:`Hand` is one
person's choice among them. Sources: Wikipedia's tables of Arabizi, Greeklish and Volapuk encoding.
"""

import random
import re
import unicodedata
from typing import Final

_EL: Final = """
αι ai ai e | ει ei ei i | οι oi oi i | ου ou ou u | αυ au ay av af | ευ eu ey ev ef | μπ mp mp b | ντ nt nt d | γκ gk g
γγ gg gg ng | τζ tz | ξ ks x x 3 | ψ ps | χ x x h ch | θ th th 8 8 9 u | η h i i | υ y u i | ω w o o | β v v b | δ d
φ f f ph | γ g g gh | α a | ε e | ζ z | ι i | κ k | λ l | μ m | ν n | ο o | π p | ρ r | σ s | ς s | τ t
"""
_RU: Final = """
щ sch sh shch w | ж zh zh j g | х h h kh x | ц c ts | ч ch ch 4 | ш sh sh w | ы y y i | э e | ю yu ju u iu | я ya ja ia
й y y i j | ь - - ' | ъ - | ё yo e jo e | а a | б b | в v v w | г g | д d | е e | з z | и i | к k | л l | м m | н n
о o | п p | р r | с s | т t | у u | ф f
"""
_SR: Final = """
љ lj | њ nj | џ dz | ж z | ч c | ћ c | ш s | ђ dj | х h | ц c | а a | б b | в v | г g | д d | е e | з z | и i | ј j
к k | л l | м m | н n | о o | п p | р r | с s | т t | у u | ф f
"""
_AR: Final = """
ا a | أ a a 2a | إ e i | آ a aa | ء 2 - | ؤ o2 2 o | ئ 2 e2 | ب b | ت t | ث s th t | ج g j j | ح 7 7 7 h
خ 5 kh kh 7' x | د d | ذ z d th dh | ر r | ز z | س s | ش sh sh ch | ص s s 9 | ض d d 9' dh | ط t t 6 | ظ z z 6' dh
ع 3 3 3 a | غ gh gh 3' 8 g | ف f | ق 2 k q 9 g | ك k | ل l | م m | ن n | ه h | ى a | ة a a eh e | گ g | چ ch | پ p | ڤ v
\u064e a | \u0650 i e | \u064f o u | \u064b an | \u064d en | \u064c on
"""
_FA: Final = """
آ a a aa | ا a | ب b | پ p | ت t | ث s | ج j | چ ch | ح h | خ kh kh x | د d | ذ z | ر r | ز z | ژ zh j | س s | ش sh
ص s | ض z | ط t | ظ z | ع - - ' a | غ gh gh q | ف f | ق gh gh q | ک k | ك k | گ g | ل l | م m | ن n | ه h | ۀ e e eye
ئ y - | ء - | أ a | ؤ o | \u064e a | \u0650 e | \u064f o | \u064b an
"""


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """Letters -> spellings in use; one that is used more stands there more often. ``-`` is nothing."""
    rows = [row.split() for row in text.replace("|", "\n").strip().splitlines()]
    return {row[0]: tuple("" if way == "-" else way for way in row[1:]) for row in rows if row}


TABLES: Final = {"el": _table(_EL), "ru": _table(_RU), "sr": _table(_SR), "ar": _table(_AR), "fa": _table(_FA)}
_PATTERNS: Final = {tag: re.compile("|".join(sorted(table, key=len, reverse=True))) for tag, table in TABLES.items()}

SHADDA: Final = "\u0651"
SUKUN: Final = "\u0652"
_VOWEL_SIGNS: Final = "\u064e\u0650\u064f\u064b\u064d\u064c"
_SIGNS: Final = re.compile(f"[{SUKUN}{_VOWEL_SIGNS}](?=.)")
_TATWEEL: Final = "\u0640"
_SHORT: Final = "aaaaeeio"
"""Which vowel stands where the script writes none: mostly a."""


class Hand:
    """How one person writes the letters of ``tag``: a spelling for each, chosen once."""

    def __init__(self, tag: str, rng: random.Random) -> None:
        self.tag = tag
        self.rng = rng
        self.chosen = {letter: rng.choice(ways) for letter, ways in TABLES[tag].items()}
        self.vowels = rng.choice((1.0, 1.0, 0.9, 0.6))
        """Share of the unwritten vowels that this person writes (Arabic, Persian)."""
        self.article = rng.choice(("el ", "el ", "el", "al", "al ", "l ", "l", "el-"))
        self.long = {"و": rng.choice(("o", "ou", "u", "oo")), "ي": rng.choice(("i", "i", "ee", "y"))}
        self.long["ی"] = rng.choice(("i", "i", "i", "ee"))

    def write(self, word: str) -> str:
        """Return ``word`` (lower case, one word) in Latin letters."""
        if self.tag == "ar":
            return self._arabic(word)
        if self.tag == "fa":
            return self._persian(word)
        if self.tag == "el":
            word = unicodedata.normalize("NFC", re.sub("[\u0300\u0301]", "", unicodedata.normalize("NFD", word)))
        return _PATTERNS[self.tag].sub(lambda match: self.chosen[match[0]], word)

    def _arabic(self, word: str) -> str:
        word = word.replace(_TATWEEL, "").replace("اً", "\u064b").replace("ةً", "ت\u064b")
        word = re.sub("وا$", "و", word)
        if len(word) > 3 and word.endswith("ه"):
            word = word[:-1] + self.rng.choice(("o", "o", "h", "ah"))
        prefix = ""
        if word.startswith("ال") and len(word) > 4:
            prefix, word = self.article, word[2:]
        pieces: list[str] = []
        for place, letter in enumerate(word):
            after = word[place + 1 : place + 2]
            if letter in "وي":
                consonant = place == 0 or after in ("ا", "ى", SHADDA) or (after and after in _VOWEL_SIGNS)
                pieces.append({"و": "w", "ي": "y"}[letter] if consonant else self.long[letter])
            elif letter == SHADDA and pieces:
                pieces.append(pieces[-1])
            elif letter != SUKUN:
                pieces.append(self.chosen.get(letter, letter))
        return prefix + self._joined(word, pieces)

    def _persian(self, word: str) -> str:
        word = word.replace("\u200c", "").replace(SHADDA, "").replace("خوا", "خا").replace("ي", "ی")
        word = re.sub(f"\u064fو(?![{SUKUN}{_VOWEL_SIGNS}])", "\u064f", re.sub(f"^ا(?=[{_VOWEL_SIGNS}])", "", word))
        word = re.sub("^ای(?=.)", "i", word)
        pieces: list[str] = []
        for place, letter in enumerate(word):
            after = word[place + 1 : place + 2]
            if letter in "وی":
                glide = (place == 0 and after) or after in ("ا", "آ", SUKUN) or (after and after in _VOWEL_SIGNS)
                pieces.append({"و": "v", "ی": "y"}[letter] if glide else self.long[letter])
            elif letter == "ه" and not after and place and word[place - 1] not in "اوی":
                pieces.append("e")
            elif letter != SUKUN:
                pieces.append(self.chosen.get(letter, letter))
        return self._joined(word, pieces)

    def _joined(self, word: str, pieces: list[str]) -> str:
        pieces = [piece for piece in pieces if piece]
        return "".join(pieces) if _SIGNS.search(word) else self._with_vowels(pieces)

    def _with_vowels(self, pieces: list[str]) -> str:
        """Put vowels where the script has none: not more than two consonants together."""
        out = ""
        for place, piece in enumerate(pieces):
            out += piece
            if piece[-1] in "aeiou" or place + 1 == len(pieces) or pieces[place + 1][0] in "aeiou":
                continue
            closes = out[-len(piece) - 1 : -len(piece)] in ("a", "e", "i", "o", "u")
            opens = place + 2 < len(pieces) and pieces[place + 2][0] in "aeiou"
            last = place + 2 == len(pieces)
            if not (closes and (opens or (last and self.rng.random() < 0.5))) and self.rng.random() < self.vowels:
                out += self.rng.choice(_SHORT)
        return out
