"""As people type it: each person's own spelling of a romanised word, shortened vowels, common words in short forms.

`words/<tag>.txt` lists for common words of a language how they are typed, written for this project: the native word,
then its spellings, the frequent ones more than once. Everything else comes from a transliterator and is respelled by
the tables here. All randomness comes from the given generator.
"""

import random
import re
from functools import cache
from pathlib import Path
from typing import Final

from pipeline.romanised import letters, transliterate

FOLDER: Final = Path(__file__).parent / "words"
LIBRARY: Final = ("hi", "bn", "ta", "ja", "th")
"""Languages that a library transliterates; the others go letter by letter."""
DIACRITICS: Final = re.compile("[\u064b-\u0652]")

# Regular spelling -> spellings in use, in this order. Upper case is settled: no later row touches it.
_HI: Final = """
(?<=[b-df-hj-np-tv-z][b-df-hj-np-tv-z])a$ - - A | aa A A A AA | ii I I I EE | uu U U OO | ai$ AI E | au AU AU O OU
chh CHH CH | ksh KSH X | v V V W | ph PH F F | sh SH SH S | z Z Z J | (?<=[aeiouAEIOU])n$ N N - | (?<=[a-z])y(?=A) Y I
th TH TH T | dh DH D | q K Q
"""
_BN: Final = """
aa A | a O O A | ii I I EE | uu U U OO | tt T | dd D | nn N | bh BH BH V B | ph F PH | v B V | sh SH SH S S | chh CH S
ch CH CH S | c CH C | ng$ NG N | kh KH KH K | th TH T | j J J J Z
"""
_TA: Final = """
nych NJ | aa A A AA | ii I I EE | uu U U OO | ee E E AE | oo O O OO | nt NDH NTH ND | tt TH TT T | t TH TH T D
kk K KK G | zh ZH L | ll L LL | rr R RR | cc CH CCH | c S CH | v V V W | m$ M M - | d D D T | u$ U U -
"""
_JA: Final = """
ou OU OU O OO | uu UU UU U | aa AA AA A | ee EE EI E | tsu TSU TSU TSU TSU TU | shi SHI SHI SHI SHI SI
chi CHI CHI CHI CHI TI | fu FU FU FU FU HU | ji JI JI JI JI ZI | nb NB MB | ' -
"""
_TH: Final = """
kh KH KH K | ph PH PH P | th TH TH T | ch CH CH J SH | uai UAI UAI UAY | aeo AEW AEO EAW | ae AE AE A E | ue UE EU U
oe OE ER EO | ai AI AI AY I | ao AO AO AW | u U U OO | i I I EE | o O O OR AW | p$ P B P | t$ T D T | k$ K K G
r R R R L
"""


def _table(text: str) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    rows = [row.split() for row in text.replace("|", "\n").strip().splitlines()]
    return tuple((re.compile(row[0]), tuple("" if way == "-" else way for way in row[1:])) for row in rows if row)


TABLES: Final = {"hi": _table(_HI), "bn": _table(_BN), "ta": _table(_TA), "ja": _table(_JA), "th": _table(_TH)}
_DROP: Final = re.compile(r"(?<=[b-df-hj-np-tv-z])a(?=[b-df-hj-np-tv-z])")


@cache
def common(tag: str) -> dict[str, tuple[str, ...]]:
    """Common words of a language and how they are typed."""
    path = FOLDER / f"{tag}.txt"
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    return {row[0]: tuple(row[1:]) for row in rows if len(row) > 1}


class Writer:
    """One person who writes language ``tag`` in Latin letters, with habits of their own."""

    def __init__(self, tag: str, rng: random.Random) -> None:
        self.tag = tag
        self.rng = rng
        self.drop = rng.choice((0.0, 0.0, 0.0, 0.1, 0.4)) if tag in ("hi", "bn") else 0.0
        self.join = rng.choice((0.0, 0.0, 0.0, 0.15)) if tag in ("ja", "th") else 0.0
        self.knows = rng.choice((0.5, 0.8, 0.95))
        """How often a common word is typed in its usual short form."""
        self.hand = letters.Hand(tag, rng) if tag in letters.TABLES else None
        self.habits = [(pattern, rng.choice(ways)) for pattern, ways in TABLES.get(tag, ())]

    def write(self, line: str) -> str:
        """Return ``line`` as this person types it: lower case, without punctuation. Raises BabelwatchError."""
        if self.tag in LIBRARY:
            pairs = transliterate.words(self.tag, line)
        else:
            pairs = [(word, "") for word in re.findall(r"[\w\u064b-\u0652\u200c']+", line.lower())]
        typed = [self._word(native, regular) for native, regular in pairs]
        text = " ".join(word for word in typed if word and word.isascii())
        return re.sub(" ", lambda _: "" if self.rng.random() < self.join else " ", text) if self.join else text

    def _word(self, native: str, regular: str) -> str:
        ways = common(self.tag).get(native) or common(self.tag).get(DIACRITICS.sub("", native))
        if ways and self.rng.random() < self.knows:
            return self.rng.choice(ways)
        if self.hand:
            return self.hand.write(native)
        if not regular:
            return native
        for pattern, way in self.habits:
            regular = pattern.sub(way, regular)
        regular = regular.lower()
        if self.drop and len(regular) < 8:
            regular = _DROP.sub(lambda match: "" if self.rng.random() < self.drop else match[0], regular)
        return regular
