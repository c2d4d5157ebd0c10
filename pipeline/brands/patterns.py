"""From a name to what the automaton searches: the folded name and the other ways in which people write it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pipeline.brands import endings
from pipeline.brands.catalogue import Brand, Name
from pipeline.brands.fold import fold
from pipeline.text import script

_UMLAUTS: Final = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "å": "aa", "ø": "oe", "Å": "Aa", "Ø": "Oe"}
)
_NASALS: Final = re.compile(
    "ङ्(?=[कखगघ])|ञ्(?=[चछजझ])|ण्(?=[टठडढ])|न्(?=[तथदध])|म्(?=[पफबभ])"  # the class nasal before its stops
)
_ANUSVARA: Final = {
    stop: nasal
    for nasal, stops in {"ङ": "कखगघ", "ञ": "चछजझ", "ण": "टठडढ", "न": "तथदध", "म": "पफबभ"}.items()
    for stop in stops
}
_JOINED_ANYWHERE: Final = frozenset({"Hani", "Kana", "Hira", "Thai", "Laoo", "Khmr", "Mymr"})


class Form(Enum):
    """How a pattern comes from its name, and so what it must satisfy."""

    PLAIN = "as written, folded"
    JOINED = "without its spaces: in hashtags and handles, or with a capital at each joint"
    STEM = "without its last vowel: an ending of the language must follow"
    ARABIC_STEM = "without its article: لل must stand before it"
    EXCLUSION = "a phrase in which the brand is not meant"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One string of the automaton. ``text`` is folded; ``source`` is the same before folding."""

    brand: str
    name: Name
    form: Form
    text: str
    source: str

    @property
    def declared_turkic(self) -> bool:
        """Whether the name is of languages with dotless i alone, so that I is never i."""
        return bool(self.name.languages) and all(tag.split("-")[0] in ("tr", "az") for tag in self.name.languages)


def patterns(brand: Brand) -> Iterator[Pattern]:
    """Every pattern of a brand: its names in all forms, then its exclusions (handles among them are not patterns)."""
    for name in brand.names:
        yield from _of_name(brand.id, name)
    for phrase in brand.exclude:
        if not phrase.startswith("@"):
            name = Name(phrase)
            for source in _spellings(phrase):
                text = fold(source)
                yield Pattern(brand.id, name, Form.EXCLUSION, text, source)
                if " " in text:
                    yield Pattern(brand.id, name, Form.EXCLUSION, text.replace(" ", ""), source)


def _spellings(text: str) -> list[str]:
    """The text, without apostrophes, with umlauts written out, with anusvara and with class nasals."""
    found = [text]
    if re.search(r"\w['’]\w", text):
        found.append(re.sub(r"['’]", "", text))
    written_out = text.translate(_UMLAUTS)
    if written_out != text:
        found.append(written_out)
    anusvara = _NASALS.sub("ं", text)
    nasal = re.sub("ं(?=(.))", lambda match: f"{_ANUSVARA[match[1]]}्" if match[1] in _ANUSVARA else "ं", text)
    found += [other for other in (anusvara, nasal) if other != text]
    return found


def _of_name(brand: str, name: Name) -> Iterator[Pattern]:
    for source in _spellings(name.text):
        text = fold(source)
        yield Pattern(brand, name, Form.PLAIN, text, source)
        if " " in text:
            scripts = {script(char) for char in text} - {"Zyyy"}
            form = Form.PLAIN if scripts and scripts <= _JOINED_ANYWHERE else Form.JOINED
            yield Pattern(brand, name, form, text.replace(" ", ""), source)
    text = fold(name.text)
    if name.exact:
        return
    if len(text) >= endings.MIN_INFLECTED and text[-1] in endings.STEM_ENDINGS:
        yield Pattern(brand, name, Form.STEM, text[:-1], name.text.rstrip()[:-1])
    if text.startswith("ال") and len(text) > 4:
        yield Pattern(brand, name, Form.ARABIC_STEM, text[2:], name.text)
