"""The cases of the suite as they are stored, one file per language, and what is known of each language. Pure reading.

Expected labels are for measuring only: never for training, choosing or calibrating (see the package's docstring).
"""

from functools import cache
from pathlib import Path
from typing import Final, Literal, get_args

import msgspec
from msgspec import Struct

from pipeline.errors import InputError
from schemas.events import LABELS

FOLDER: Final = Path(__file__).parent
CASES: Final = FOLDER / "cases"
LANGUAGES: Final = FOLDER / "languages.yaml"

Capability = Literal[
    "vocabulary",
    "negation",
    "intensity",
    "emoji",
    "sarcasm",
    "capitals",
    "stretching",
    "hashtags",
    "typos",
    "names",
    "handles",
    "ending",
    "change",
    "questions",
    "numbers",
    "politeness",
    "mixing",
    "romanisation",
]
CAPABILITIES: Final[tuple[Capability, ...]] = get_args(Capability)

Kind = Literal["MFT", "INV", "DIR"]
"""Minimum function test, invariance, direction: CheckList's three types."""

Expectation = Literal["negative", "neutral", "positive", "not-negative", "not-positive", "same", "up", "down"]
"""MFT: a label, or one that it must not be. INV: ``same`` label for all texts. DIR: where the second text may go."""

_LABEL_EXPECTATIONS: Final = frozenset({*LABELS, "not-negative", "not-positive"})


class Case(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One test. ``id`` is the same in every language for what is the same in meaning, mood and strength."""

    id: str
    language: str
    capability: Capability
    type: Kind
    texts: tuple[str, ...]
    """MFT one; INV two or more; DIR the text and its stronger, weaker or longer form."""
    expect: Expectation
    stretch: int | None = None
    """Position in the text (characters, from 0) of the letter that a writer of the language would draw out."""
    native: str | None = None
    """Tag of the first text where it is in the native script of a romanised variety."""

    def __post_init__(self) -> None:
        """Refuse a case that could not be judged."""
        count = len(self.texts)
        right = {
            "MFT": count == 1 and self.expect in _LABEL_EXPECTATIONS,
            "INV": count >= 2 and self.expect == "same",
            "DIR": count == 2 and self.expect in {"up", "down"},
        }
        if not right[self.type]:
            raise ValueError(f"{self.id}: a {self.type} case cannot have {count} texts and expect {self.expect!r}")
        if any(not text or text != text.strip() for text in self.texts) or len(set(self.texts)) != count:
            raise ValueError(f"{self.id}: a text is empty, repeated, or has white space around it")
        if self.stretch is not None and not self.texts[0][self.stretch].isprintable():
            raise ValueError(f"{self.id}: stretch {self.stretch} is no letter of the text")

    def tags(self) -> tuple[str, ...]:
        """The language tag of each text, as the decision rule gets it."""
        return (self.native or self.language,) + (self.language,) * (len(self.texts) - 1)


class Language(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of ``languages.yaml``, which says what the fields mean."""

    name: str
    script: tuple[str, ...]
    join: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    missing: dict[Capability, str] = {}


@cache
def languages() -> dict[str, Language]:
    """Every language of the suite by its tag, in the order of reports. Raises InputError when the file is damaged."""
    try:
        return msgspec.yaml.decode(LANGUAGES.read_bytes(), type=dict[str, Language])
    except (OSError, msgspec.DecodeError) as error:
        raise InputError(f"{LANGUAGES}: {error}; restore it (git checkout, or reinstall babelwatch)") from error


_decoder = msgspec.json.Decoder(Case)


def read(path: Path) -> tuple[Case, ...]:
    """Every case of one file, in its order. Raises InputError that names the line."""
    cases = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; restore it (git checkout, or reinstall babelwatch)") from error
    for number, line in enumerate(lines, 1):
        try:
            cases.append(_decoder.decode(line))
        except (msgspec.DecodeError, IndexError) as error:
            raise InputError(f"{path}:{number}: {error}") from None
    return tuple(cases)


@cache
def written(tag: str) -> tuple[Case, ...]:
    """The cases that were written by hand in one language. Raises InputError for a language that has none."""
    if tag not in languages():
        raise InputError(f"no behavioural cases in {tag!r}; there are: {', '.join(languages())}")
    return read(CASES / f"{tag}.jsonl")
