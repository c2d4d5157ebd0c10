"""Labelled texts of several languages, checked before a model sees them: UMSAB's folders, or rows of any file."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from pipeline.errors import InputError
from pipeline.language import parse_hint
from pipeline.sentiment.text import normalise
from schemas.events import LABELS

NOT_AVAILABLE: Final = "Not Available"
"""What SemEval's download scripts leave in place of a tweet that is gone: a row without a text."""
_UMSAB_TAGS: Final = {
    "arabic": "ar",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
}
_LINES_NAMED: Final = 3


@dataclass(frozen=True)
class Row:
    """One labelled text; ``label`` is an index into LABELS."""

    text: str
    label: int
    language: str


@dataclass(frozen=True)
class LabelledSet:
    """The texts of one language. ``language`` is the data's own name for it, ``tag`` its BCP 47 tag."""

    language: str
    tag: str
    texts: tuple[str, ...]
    gold: tuple[int, ...]

    @cached_property
    def sha256(self) -> str:
        """Of texts and labels in their order: two models were judged on the same set, or they were not."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.gold, strict=True):
            encoded = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d %d " % (label, len(encoded)) + encoded)
        return digest.hexdigest()

    @cached_property
    def duplicates(self) -> int:
        """Texts that the model reads exactly as an earlier one (handles and links count as equal)."""
        return len(self.texts) - len({normalise(text) for text in self.texts})

    @cached_property
    def contradictions(self) -> int:
        """Distinct texts that are there with more than one label: no model can be right on all of them."""
        pairs = {(normalise(text), label) for text, label in zip(self.texts, self.gold, strict=True)}
        return sum(count > 1 for count in Counter(text for text, _ in pairs).values())

    @property
    def missing(self) -> tuple[str, ...]:
        """Labels that no text has."""
        return tuple(label for index, label in enumerate(LABELS) if index not in self.gold)


@dataclass(frozen=True)
class LabelledData:
    """Everything that a model is measured on. ``notes`` say what was left out or changed while reading."""

    name: str
    sets: tuple[LabelledSet, ...]
    notes: tuple[str, ...] = field(default=())


def language_tag(name: str) -> str:
    """The BCP 47 tag of a language as data name it: a tag, or UMSAB's English word. Raises InputError."""
    tag = _UMSAB_TAGS.get(name.strip().lower()) or parse_hint(name)
    if tag is None and name.strip().lower() in ("und", "mul"):
        return "und"
    if tag is None:
        raise InputError(
            f"{name[:60]!r} is no language tag: name languages by BCP 47 (en, pt, hi-Latn; und where it is unknown)"
        )
    return tag


def gather(name: str, rows: Iterable[Row], left_out: Counter[str], notes: Sequence[str] = ()) -> LabelledData:
    """Group rows by language, in the order in which languages first come.

    Rows without a text are left out and counted in the notes, beside what ``left_out`` counts already. Raises
    InputError when nothing is left.
    """
    left_out = Counter(left_out)
    groups: dict[str, tuple[list[str], list[int]]] = {}
    for row in rows:
        if not row.text.strip() or row.text.strip() == NOT_AVAILABLE:
            left_out[f"without a text (empty or {NOT_AVAILABLE!r})"] += 1
            continue
        texts, gold = groups.setdefault(row.language, ([], []))
        texts.append(row.text)
        gold.append(row.label)
    if not groups:
        why = ", ".join(f"{count:,} {what}" for what, count in left_out.items()) or "there is no row"
        raise InputError(f"{name} holds no labelled text: {why}")
    return LabelledData(
        name=name,
        sets=tuple(
            LabelledSet(language, language_tag(language), tuple(texts), tuple(gold))
            for language, (texts, gold) in groups.items()
        ),
        notes=(
            *notes,
            *(f"{count:,} row{'s' if count > 1 else ''} left out: {what}" for what, count in left_out.items()),
        ),
    )


def read_umsab(folder: Path, split: str) -> LabelledData:
    """Every ``<language>/<split>_text.txt`` of ``folder`` with its ``<split>_labels.txt`` (a digit per line).

    Raises InputError that names file and line when there is none, or texts and labels do not fit together.
    """
    folders = sorted(path.parent for path in folder.glob(f"*/{split}_text.txt")) if folder.is_dir() else []
    if not folders:
        raise InputError(
            f"{folder} holds no <language>/{split}_text.txt and {split}_labels.txt (the layout of UMSAB, repository "
            "cardiffnlp/xlm-t): name such a folder with --data, or a TSV, CSV or JSONL file with --file"
        )
    rows = (row for one in folders for row in _rows(one, split))
    return gather(f"{folder.resolve().name} {split}", rows, Counter())


def _rows(folder: Path, split: str) -> Iterator[Row]:
    texts = read_lines(folder / f"{split}_text.txt")
    path = folder / f"{split}_labels.txt"
    labels = [line.strip() for line in read_lines(path)]
    if len(texts) != len(labels):
        first = min(len(texts), len(labels)) + 1
        raise InputError(
            f"{folder}: {split}_text.txt has {len(texts):,} lines but {path.name} has {len(labels):,}: line {first} "
            f"has no {'label' if len(texts) > len(labels) else 'text'}; line n of one belongs to line n of the other"
        )
    wrong = [number for number, label in enumerate(labels, start=1) if label not in ("0", "1", "2")]
    if wrong:
        raise InputError(
            f"{path}, line {wrong[0]}: label {labels[wrong[0] - 1][:40]!r} must be 0 (negative), 1 (neutral) or 2 "
            f"(positive){_also(wrong)}; other labels can be mapped with --file and --labels"
        )
    for text, label in zip(texts, labels, strict=True):
        yield Row(text, int(label), folder.name)


def _also(lines: Sequence[int]) -> str:
    more = lines[1 : 1 + _LINES_NAMED]
    return f"; so in line {', '.join(map(str, more))}{' …' if len(lines) > 1 + _LINES_NAMED else ''}" if more else ""


def read_text(path: Path) -> str:
    """The whole file, without a byte order mark. Raises InputError with the line that is not UTF-8."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{path} is UTF-16: convert it first: iconv -f UTF-16 -t UTF-8 FILE")
    try:
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}, line {line}: not UTF-8 (byte 0x{data[error.start]:02x}); convert the file first, for example "
            "iconv -f WINDOWS-1252 -t UTF-8 FILE"
        ) from None


def read_lines(path: Path) -> list[str]:
    """The lines of a file, ended by line feeds alone (a text may hold U+2028). Raises InputError."""
    lines = read_text(path).split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]
