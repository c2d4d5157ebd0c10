"""Reading what a model learns from: labelled English, pairs of sentences, texts without labels. No torch here."""

import glob
import hashlib
import html
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from msgspec import Struct

from pipeline.errors import ModelError
from pipeline.sentiment.text import normalise
from pipeline.sentiment.training.config import Labelled, Pairs, Unlabelled
from pipeline.sentiment.training.tables import rows
from schemas.events import LABELS

_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_MISSING: Final = "Not Available"
"""What collections of tweets write for a tweet that was deleted before they were collected."""
_T = TypeVar("_T")


class LabelledText(Struct, frozen=True):
    """One normalised text and the number of its label in LABELS' order."""

    text: str
    label: int


def clean(text: str) -> str:
    r"""Undo literal ``\u2019`` escapes and entities (some collections hold them), then normalise as serving does."""
    return normalise(html.unescape(_ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)))


def text_key(text: str) -> int:
    """A number of the text alone, the same in every run and on every machine."""
    return int.from_bytes(hashlib.blake2b(text.casefold().encode(), digest_size=8).digest())


def is_held_out(text: str, one_in: int) -> bool:
    """Whether a normalised English text belongs to the held-out part: decided by its hash."""
    return one_in > 0 and text_key(text) % one_in == 0


def find(data: Path, patterns: Iterable[str]) -> list[Path]:
    """Files of glob patterns relative to ``data``, sorted. Raises ModelError for a pattern that matches none."""
    found: list[Path] = []
    for pattern in patterns:
        paths = sorted(Path(path) for path in glob.glob(str(data / pattern)))
        if not paths:
            raise ModelError(f"no file matches {data / pattern}: check `data` and `files` of the configuration")
        found += paths
    return found


def _measured(patterns: Iterable[str], data: Path) -> set[str]:
    return {clean(text) for path in find(data, patterns) for text in read_lines(path)}


def labelled_rows(source: Labelled, path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, text and label as it stands there, of the rows of one file that are not skipped."""
    for number, (text, name) in rows(path, [source.text, source.label]):
        skipped = name in source.skip or source.labels.get(name, name) == "skip"
        if not skipped and text.strip() not in {"", _MISSING}:
            yield number, text, name


def read_labelled(source: Labelled, data: Path) -> list[LabelledText]:
    """Distinct texts in a stable order; a text that has two labels counts with the first.

    Raises ModelError for labels that are not mapped and for a class without any text.
    """
    excluded = _measured(source.without, data)
    known = {label: index for index, label in enumerate(LABELS)}
    found: dict[str, int] = {}
    for path in find(data, source.files):
        for number, text, name in labelled_rows(source, path):
            label = source.labels.get(name, name)
            if label not in known:
                raise ModelError(
                    f"{path}, line {number}: label {name!r} is not one of {', '.join(LABELS)}; map it with "
                    f'`labels = {{ "{name}" = "negative" }}`, or drop it with "skip"'
                )
            cleaned = clean(text)
            if cleaned and cleaned not in excluded:
                found.setdefault(cleaned, known[label])
    texts = [LabelledText(text, label) for text, label in found.items()]
    empty = [label for label, index in known.items() if not any(one.label == index for one in texts)]
    if empty:
        raise ModelError(f"{', '.join(source.files)}: no text is {empty[0]}: all three classes are needed")
    return texts


def read_lines(path: Path, column: str | int | None = None) -> list[str]:
    """The non-empty lines of a file, or one column of it. Raises ModelError when it is not UTF-8."""
    if column is not None:
        return [text for _, (text,) in rows(path, [column]) if text.strip()]
    try:
        return [line for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 ({error}): convert it first") from None


def read_pairs(source: Pairs, data: Path) -> list[tuple[str, str]]:
    """(English, other) normalised sentences, distinct. Raises ModelError when files do not fit together."""
    found: dict[tuple[str, str], None] = {}
    for path in find(data, source.files):
        for _, (english, other) in rows(path, [0, 1]):
            found[clean(english), clean(other)] = None
    if source.english and source.other:
        for english_path, other_path in _aligned(source, data):
            sides = [path.read_text(encoding="utf-8").rstrip("\n").split("\n") for path in (english_path, other_path)]
            if len(sides[0]) != len(sides[1]):
                raise ModelError(f"{other_path} has {len(sides[1])} lines, {english_path} has {len(sides[0])}")
            for english, other in zip(*sides, strict=True):
                found[clean(english), clean(other)] = None
    return [pair for pair in found if all(pair) and pair[0] != pair[1]]


def _aligned(source: Pairs, data: Path) -> Iterator[tuple[Path, Path]]:
    """Files of both sides; ``{language}`` in their names stands for the same word everywhere."""
    pattern = str(data / (source.other or ""))
    parts = [re.escape(part) for part in pattern.split("{language}")]
    expression = parts[0] + "".join(
        ("(?P<language>[^/]+?)" if index == 0 else "(?P=language)") + part for index, part in enumerate(parts[1:])
    )
    for other in find(data, [pattern.replace("{language}", "*")]):
        match = re.fullmatch(expression, str(other))
        language = match.groupdict().get("language", "") if match else None
        if language is None or (source.languages and language not in source.languages):
            continue
        english = Path(str(data / (source.english or "")).replace("{language}", language))
        if english != other:
            yield english, other


def read_unlabelled(source: Unlabelled, data: Path, held_out: int) -> list[list[str]]:
    """Distinct normalised texts, a list per file; without those that are held out (one in ``held_out``) if the source
    says so."""
    one_in = held_out if source.hold_out else 0
    excluded = {_MISSING, "", *_measured(source.without, data)}
    groups = []
    for path in find(data, source.files):
        texts = dict.fromkeys(clean(text) for text in read_lines(path, source.column))
        groups.append([text for text in texts if text not in excluded and not is_held_out(text, one_in)])
    return groups


def sample(items: list[_T], take: int | None, seed: int) -> list[_T]:
    """``take`` items drawn by the seed, in their order; all of them when there are no more."""
    if take is None or take >= len(items):
        return items
    chosen = sorted(random.Random(seed).sample(range(len(items)), take))  # noqa: S311 - reproducible, not secret
    return [items[index] for index in chosen]
