"""Words of five languages into Latin letters by established libraries: Hindi, Bengali, Tamil, Japanese, Thai.

uroman (Apache-2.0; knows the unspoken vowels of Hindi and Bengali), cutlet (MIT; MeCab finds the words and readings of
Japanese), pythainlp (Apache-2.0; finds the words of Thai and writes them by the Royal Institute's rules). They are in
`requirements.txt` beside this file and only needed to make the classifier. What comes out is regular;
:mod:`pipeline.romanised.spelling` writes it as people do.
"""

import importlib
import re
from functools import cache, lru_cache
from typing import Any, Final

from pipeline.errors import BabelwatchError

ISO: Final = {"hi": "hin", "bn": "ben", "ta": "tam"}
_LABIAL: Final = "पफबभम"
# Signs that uroman keeps apart and people do not: retroflex and dental, nuqta, three nasals.
_HINDI: Final = str.maketrans("टठडढणषङञऋॉऑ", "तथदधनशननरोओ")

_BENGALI: Final = str.maketrans("টঠডঢণষ", "তথদধনশ")


class TrainingPackagesMissing(BabelwatchError):
    """A package that only training the language classifier needs is not installed."""

    exit_code = 2


def missing(error: ImportError) -> TrainingPackagesMissing:
    """The error for a missing package, with what to do."""
    return TrainingPackagesMissing(
        f"{error.name} is not installed: make an environment for training the language classifier, "
        "`python -m venv .venv-language && .venv-language/bin/pip install -r pipeline/romanised/requirements.txt`"
    )


@cache
def _uroman() -> Any:  # noqa: ANN401 - a library without types
    try:
        return importlib.import_module("uroman").Uroman()
    except ImportError as error:
        raise missing(error) from None


@cache
def _cutlet() -> Any:  # noqa: ANN401 - a library without types
    try:
        return importlib.import_module("cutlet").Cutlet(use_foreign_spelling=False)
    except ImportError as error:
        raise missing(error) from None


@lru_cache(maxsize=500_000)
def word(tag: str, text: str) -> str:
    """One word of Hindi, Bengali or Tamil in Latin letters."""
    if tag == "hi":
        text = text.replace("ड़", "द").replace("ढ़", "ध").replace("क़", "क").replace("ग़", "ग").replace("ख़", "ख")
        text = re.sub(f"[ंँ](?=[{_LABIAL}])", "म्", text)
        text = re.sub("[ंँ]", "न्", text).replace("ृ", "्रि").translate(_HINDI)
    if tag == "bn":
        text = re.sub("(?<!\u09cd)\u09af(?!\u09bc)", "\u099c", text)
        text = text.replace("ক্ষ", "খ").replace("ৃ", "্রি").translate(_BENGALI)
    if tag == "ta":
        text = text.replace("ழ", "ள")
    latin = str(_uroman().romanize_string(text, lcode=ISO[tag])).lower()
    if tag == "hi":
        latin = re.sub("c(?!h)", "ch", latin.replace("ch", "chh"))
    return latin


@lru_cache(maxsize=100_000)
def _thai(text: str) -> str:
    return str(importlib.import_module("pythainlp.transliterate").romanize(text, engine="royin"))


def words(tag: str, line: str) -> list[tuple[str, str]]:
    """(native word, its regular Latin form) of each word of ``line``, punctuation left out. Raises BabelwatchError."""
    if tag == "ja":
        latin = _cutlet().romaji(line).lower()
        return [(part, part) for part in re.findall(r"[a-z']+", latin)]
    if tag == "th":
        try:
            found = importlib.import_module("pythainlp").word_tokenize(line, engine="newmm")
        except ImportError as error:
            raise missing(error) from None
        return [(part, _thai(part)) for part in found if re.search("[\u0e00-\u0e7f]", part)]
    return [(part, word(tag, part)) for part in re.findall(r"[\w\u0900-\u0bff\u200c\u200d]+", line)]
