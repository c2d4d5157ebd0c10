"""Letters that a language counts as its own: there they are no letter with a diacritic.

In German ``Bär`` is not ``Bar``, in Spanish ``año`` is not ``ano``, in Turkish ``ışık`` is not ``işik``. In a text of
such a language a name and what was found must agree on these letters; elsewhere the diacritic may be left out.
"""

import unicodedata
from functools import lru_cache
from typing import Final

from pipeline.brands.fold import TABLE

TURKIC: Final = frozenset({"tr", "az", "tt", "crh"})
"""Languages with dotted and dotless i."""

OWN_LETTERS: Final[dict[str, frozenset[str]]] = {
    language: frozenset(letters)
    for languages, letters in {
        "de": "äöü",
        "sv fi": "åäö",
        "da no nn": "æøå",
        "is fo": "áðéíóúýþæö",
        "et": "äöüõ",
        "hu": "áéíóöőúüű",
        "es gl": "ñ",
        "tr az tt": "ıışçğöü",
    }.items()
    for language in languages.split()
}


@lru_cache(maxsize=65536)
def own_form(text: str, language: str, *, turkish_case: bool = True) -> str:
    """``text`` folded as everywhere, but with the letters of ``language`` kept, and without white space.

    With ``turkish_case`` a Turkic language's I is ı; without, I is i (as people there write foreign names in capitals).
    """
    keep = OWN_LETTERS[language]
    if language in TURKIC:
        text = text.replace("İ", "i").replace("I", "ı" if turkish_case else "i")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(char if char in keep else TABLE[char] for char in folded).replace(" ", "")


def agrees(found: str, source: str, language: str, *, declared: bool) -> bool:
    """Whether ``found`` in a text of ``language`` may be ``source``. ``declared``: a Turkic name, I is never i."""
    if language not in OWN_LETTERS:
        return True
    if own_form(found, language) == own_form(source, language):
        return True
    if language not in TURKIC or declared:
        return False
    plain = own_form(found, language, turkish_case=False)
    return plain == own_form(source, language, turkish_case=False)
