"""What is known of each language's labels: ``trust.json``, kept in the model's folder and frozen with it.

Scores and shares are 0 to 1, rounded to four decimals; intervals are 95%.
"""

import hashlib
import json
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from pipeline.durable import replace_bytes, replace_text
from pipeline.errors import ModelError
from pipeline.language import UNDETERMINED
from pipeline.sentiment.folder import CONFIG, FileFacts, ModelFolder

FILE: Final = "trust.json"
FORMAT: Final = 1
Level = Literal["high", "fair", "low", "unknown"]
Source = Literal["measured", "estimated", "none"]
LEVELS: Final[tuple[Level, ...]] = ("high", "fair", "low", "unknown")
ANY_OTHER: Final = "*"


class Number(Struct, frozen=True):
    """A value and its 95% interval."""

    value: float
    low: float
    high: float


class Evidence(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an estimate rests on. None: there is nothing to look at."""

    seen: bool
    """The encoder read the language in pre-training ..."""
    megabytes: float | None = None
    """... so much of it (xz) ..."""
    read_as: str | None = None
    """... under this tag."""
    group: str | None = None
    """Branch of the language family, or ``romanised``."""
    relatives: tuple[str, ...] = ()
    """Languages of the same group with parallel sentences."""
    readable: bool = True
    """The vocabulary has the letters of its script."""
    texts: int | None = None
    """Labelled texts that it was measured on."""
    sentences: int | None = None
    """Parallel sentences."""
    agreement: Number | None = None
    """Share of them with the label of the English sentence."""
    divergence: Number | None = None
    """Mean Kullback-Leibler divergence from the English sentence's probabilities, in nats."""
    pieces: float | None = None
    """Pieces that the sentences are cut into, as a multiple of the English ones'."""
    unknown_pieces: float | None = None
    """Share of the pieces that the vocabulary does not have."""
    expected_agreement: float | None = None
    """Where there are no sentences: the agreement that amount of text and relatives let expect."""


class LanguageTrust(Struct, frozen=True, kw_only=True):
    """One language, BCP 47. ``macro_f1`` is None where the level is ``unknown``."""

    language: str
    level: Level
    source: Source
    macro_f1: Number | None
    in_words: str
    reasons: tuple[str, ...]
    evidence: Evidence


class Fit(Struct, frozen=True, kw_only=True):
    """How agreement was turned into macro-F1, and how far that is off: see :mod:`pipeline.sentiment.trust.estimate`."""

    languages: tuple[str, ...]
    intercept: float
    slope: float
    error: float
    """Root mean square of the differences, each measured language left out once."""
    left_out: dict[str, float]
    """Measured less estimated when the language itself is left out."""
    expected_error: float
    """The same for the agreement expected of languages without sentences."""


class TrustTable(Struct, frozen=True, kw_only=True):
    """All languages of one model with one decision rule. ``other`` stands for whatever the table does not name."""

    format: int = FORMAT
    model: str
    rule: str
    data: str
    """Name of the labelled texts that measured languages were measured on."""
    worst: str
    """The measured language with the lowest score."""
    fit: Fit | None
    languages: tuple[LanguageTrust, ...]
    other: LanguageTrust

    def find(self, tag: str) -> LanguageTrust:
        """The entry of a BCP 47 tag; one that is not in the table was never seen. ``und`` and an empty tag: unknown."""
        wanted = tag or UNDETERMINED
        for one in self.languages:
            if one.language == wanted:
                return one
        return self.other


def unknown(tag: str, evidence: Evidence, why: str) -> LanguageTrust:
    """A language of which nothing can be said, and why."""
    return LanguageTrust(
        language=tag,
        level="unknown",
        source="none",
        macro_f1=None,
        in_words="nothing is known",
        reasons=(why,),
        evidence=evidence,
    )


def nothing_known(why: str) -> TrustTable:
    """What stands for the table of a model without one: every language is unknown, and ``why``."""
    other = unknown(ANY_OTHER, Evidence(seen=False), why)
    return TrustTable(model="", rule="", data="", worst="", fit=None, languages=(), other=other)


def write(folder: ModelFolder, table: TrustTable) -> Path:
    """Write ``trust.json`` into ``folder`` and its checksum into config.json. Raises ModelError when that cannot be."""
    _require_fitting(folder, table)
    path = folder.path / FILE
    data = _encode(table)
    facts = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    config = folder.path / CONFIG
    try:
        known = json.loads(config.read_text(encoding="utf-8"))
        known["babelwatch"]["files"][FILE] = facts
        replace_bytes(path, data)
        replace_text(config, json.dumps(known, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise ModelError(f"cannot write {path}: {error.strerror}") from None
    return path


def read(folder: ModelFolder) -> TrustTable | None:
    """The table of a verified folder; None without one. Raises ModelError when it is damaged or of another model."""
    path = folder.path / FILE
    facts = folder.facts.files.get(FILE)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if facts is not None:
            raise _error(path, f"is missing, but {CONFIG} has its checksum") from None
        return None
    except OSError as error:
        raise _error(path, f"cannot be read ({error.strerror})") from None
    if facts is not None and facts != FileFacts(len(data), hashlib.sha256(data).hexdigest()):
        raise _error(path, f"is damaged: its checksum is not the one in {CONFIG}")
    try:
        table = msgspec.json.decode(data, type=TrustTable)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _error(path, f"is not valid ({error})") from None
    if table.format != FORMAT:
        raise _error(path, f"has format {table.format}, this build reads {FORMAT}")
    _require_fitting(folder, table)
    return table


def _require_fitting(folder: ModelFolder, table: TrustTable) -> None:
    if (table.model, table.rule) != (folder.version, folder.facts.rule.name):
        raise _error(
            folder.path / FILE,
            f"is of {table.model} with the rule {table.rule}, but the folder is {folder.version} with "
            f"{folder.facts.rule.name}",
        )


def _error(path: Path, what: str) -> ModelError:
    return ModelError(f"{path} {what}: make it again with `babelwatch model trust --model {path.parent} --write`")


def _encode(table: TrustTable) -> bytes:
    """A language per line, so that two versions can be compared."""
    head = msgspec.json.encode(msgspec.structs.replace(table, languages=())).decode()
    rows = ",\n".join(msgspec.json.encode(one).decode() for one in table.languages)
    return (head.replace('"languages":[]', f'"languages":[\n{rows}\n]') + "\n").encode()
