"""The sample mentions: written for this project, each with its gold label and language, on fictional brands.

``mentions_*.jsonl`` holds them by group of languages, ``mentions_incident.jsonl`` the complaints of the scripted
incident. Fields are those of :class:`SampleMention`; `docs/sample.md` says how they were written and labelled.
"""

from functools import cache
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from pipeline.errors import InputError
from schemas.events import Label

FOLDER: Final = Path(__file__).parent
INCIDENT_FILE: Final = "mentions_incident.jsonl"


class SampleMention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a sample file."""

    key: str
    """Unique over all files; ``<language>-<number>``, with a prefix for the incident."""
    text: str
    language: str
    """Gold language, BCP 47 (``hi-Latn`` for romanised Hindi); the matrix language of a code-switched text."""
    label: Label
    """Gold sentiment of the whole text."""
    brands: list[str]
    """Ids of the brands that a reader finds in it; often one, sometimes none or two."""
    source: str
    """Kind of source: microblog, reviews, forum or video."""
    country: str
    author: str
    lang_hint: str | None = None
    """What the source says the language is: missing in about half, wrong in some, as in the wild."""


_decoder = msgspec.json.Decoder(SampleMention)


def read(path: Path) -> list[SampleMention]:
    """Every mention of one file, in its order. Raises InputError that names the line."""
    mentions = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            mentions.append(_decoder.decode(line))
        except msgspec.DecodeError as error:
            raise InputError(f"{path}:{number}: {error}") from None
    return mentions


@cache
def ordinary() -> tuple[SampleMention, ...]:
    """The mentions of ordinary days."""
    files = sorted(path for path in FOLDER.glob("mentions_*.jsonl") if path.name != INCIDENT_FILE)
    return tuple(mention for path in files for mention in read(path))


@cache
def incident() -> tuple[SampleMention, ...]:
    """The complaints of the scripted incident, all of them negative."""
    return tuple(read(FOLDER / INCIDENT_FILE))
