"""Text in known languages to learn from: files of public repositories at fixed commits, each with its checksum.

`sources.tsv` is the data statement: language, repository, commit, path, format, licence, SHA-256. None of these texts
is in this repository. ``FOLDER`` holds a clone (with or without a work tree) of each repository under its name::

    git clone --bare https://github.com/common-voice/common-voice FOLDER/common-voice
"""

import hashlib
import html
import re
import subprocess
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from pipeline.errors import InputError

STATEMENT: Final = Path(__file__).parent / "sources.tsv"
GIT_S: Final = 120.0
"""Seconds for one ``git show``; a clone without all blobs would ask the network for them."""


class Source(Struct, frozen=True):
    """One line of the data statement."""

    language: str
    """BCP 47 of the text; ``fa-vowels`` is Persian with its vowel signs."""
    repository: str
    commit: str
    path: str
    format: str
    licence: str
    sha256: str


@cache
def statement() -> tuple[Source, ...]:
    """Every source, in the order of the file. Raises InputError."""
    lines = STATEMENT.read_text(encoding="utf-8").splitlines()[1:]
    try:
        return tuple(Source(*line.split("\t")) for line in lines)
    except TypeError as error:
        raise InputError(f"{STATEMENT}: {error}") from None


def _lines(data: str) -> Iterator[str]:
    yield from data.splitlines()


def _last_column(data: str) -> Iterator[str]:
    yield from (line.rsplit("\t", 1)[-1] for line in data.splitlines())


def _first_column(data: str) -> Iterator[str]:
    """Text first; names are masked as ``[NAME]`` there."""
    yield from (line.split("\t", 1)[0].replace("[NAME]", " ") for line in data.splitlines())


def _quoted(data: str) -> Iterator[str]:
    """Festival's ``( id " text ")``."""
    yield from (part.strip() for part in re.findall(r'"(.*)"', data))


def _verses(data: str) -> Iterator[str]:
    for verse in ET.fromstring(data).iter("seg"):  # noqa: S314 - its checksum is known
        yield (verse.text or "").strip()


def _android(data: str) -> Iterator[str]:
    """Messages of an Android application, without placeholders and marks."""
    for node in ET.fromstring(data).iter():  # noqa: S314 - its checksum is known
        if node.tag in ("string", "item") and not (node.tag == "item" and node.get("type")):
            text = "".join(node.itertext()).strip().strip('"')
            text = re.sub(r"\\[nt]", " ", text).replace("\\", "")
            yield re.sub(r"%(?:\d+\$)?[A-Za-z-]+", " ", text)


FORMATS: Final[dict[str, Callable[[str], Iterator[str]]]] = {
    "lines": _lines,
    "first-column": _first_column,
    "last-column": _last_column,
    "festival": _quoted,
    "bible": _verses,
    "android": _android,
}


def fetch(folder: Path, source: Source) -> bytes:
    """The file's bytes, their checksum verified. Raises InputError that says what to clone."""
    name = source.repository.rsplit("/", 1)[-1]
    command = ["git", "-C", str(folder / name), "show", f"{source.commit}:{source.path}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=GIT_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"git cannot read {folder / name} ({error})") from None
    if done.returncode:
        raise InputError(
            f"{folder / name} has no {source.path} at {source.commit[:9]}: clone {source.repository} to {folder / name}"
        )
    found = hashlib.sha256(done.stdout).hexdigest()
    if found != source.sha256:
        raise InputError(f"{source.path} at {source.commit[:9]} has SHA-256 {found}, not {source.sha256}")
    return done.stdout


def texts(folder: Path, language: str) -> list[str]:
    """All distinct lines of a language, in the order of the statement; no empty ones. Raises InputError."""
    chosen = [source for source in statement() if source.language == language]
    if not chosen:
        raise InputError(f"{STATEMENT.name} has no source for {language}")
    found: dict[str, None] = {}
    for source in chosen:
        for line in FORMATS[source.format](fetch(folder, source).decode("utf-8-sig")):
            text = " ".join(unicodedata.normalize("NFC", html.unescape(line)).split())
            if text:
                found[text] = None
    return list(found)
