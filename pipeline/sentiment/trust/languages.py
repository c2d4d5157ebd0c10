"""Every language that the model may meet, and what its encoder read of it before it ever saw a label.

multilingual-e5-small starts from Multilingual-MiniLM, which was distilled from XLM-R: the languages that it saw are the
100 of XLM-R (Conneau et al. 2020, arXiv 1911.02116, appendix A). What multilingual-e5 read besides (arXiv 2402.05672)
is not published by language and counts for nothing here.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import yaml
from msgspec import Struct, convert

from pipeline.language import UNDETERMINED, known_languages, scripts_of

FILE: Final = "encoder_languages.yaml"
ROMANISED_GROUP: Final = "romanised"
_ROMANISED: Final = (
    *("ar", "ary", "arz", "bg", "bn", "el", "fa", "gu", "he", "hi", "ja", "kn", "ko", "mk", "ml", "mr", "ne", "pa"),
    *("ru", "ta", "te", "th", "uk", "ur", "zh"),
)
"""Languages that are also written in Latin letters: tags that hints or the detector give with ``-Latn``."""


class SeenLanguage(Struct, frozen=True):
    """A language that the encoder read: megabytes of text (xz) and the branch of its family."""

    megabytes: float
    group: str
    of: str | None = None
    """Another tag whose text it was: Serbian in Latin letters was read as Croatian."""


@cache
def seen_languages() -> Mapping[str, SeenLanguage]:
    """The languages of the encoder's pre-training by BCP 47 tag, from the table beside this file."""
    text = (files(__package__) / FILE).read_text(encoding="utf-8")
    return convert(yaml.safe_load(text), dict[str, SeenLanguage])


@cache
def every_language() -> tuple[str, ...]:
    """All tags that the detector can give, their romanised forms, all that the encoder saw, and ``und``; sorted."""
    romanised = {f"{tag}-Latn" for tag in _ROMANISED}
    return tuple(sorted(known_languages() | romanised | seen_languages().keys() | {UNDETERMINED}))


def own_script(tag: str) -> str:
    """ISO 15924 code of the script in which ``tag`` is usually written, or that it names."""
    return scripts_of(tag)[0]
