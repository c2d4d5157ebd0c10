"""Labelled texts from TSV, CSV and JSONL files whose columns and labels are named by the user."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.errors import InputError
from pipeline.sentiment.measure.data import LabelledData, Row, gather, read_lines, read_text
from pipeline.sentiment.measure.labels import SKIP, Labels
from schemas.events import LABELS

SUFFIXES: Final = (".tsv", ".csv", ".jsonl")
MAX_FIELD_CHARS: Final = 1 << 20
_ESCAPES: Final = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_Cells = tuple[int, Mapping[str, str]]


@dataclass(frozen=True)
class Columns:
    """Which column is what: a name of the header, a key of the JSON, or a number (1 is the first) without a header."""

    text: str = "text"
    label: str = "label"
    language: str | None = None
    """Column of the language; None: all rows are in ``only``."""
    only: str | None = None
    labels: Labels = field(default_factory=Labels)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that every row must have."""
        return (self.text, self.label, *((self.language,) if self.language is not None else ()))

    @property
    def numbered(self) -> bool:
        """Whether columns are numbers, so that the first line is a row and no header."""
        return all(name.isdecimal() for name in self.names)


def decode_escapes(text: str) -> str:
    r"""Undo literal ``\u2019`` escapes, as some of SemEval's files hold; two halves of a pair become one character."""

    def decoded(match: re.Match[str]) -> str:
        units = bytes.fromhex(match[0].replace("\\u", ""))
        return units.decode("utf-16-be", "replace")

    return _ESCAPES.sub(decoded, text)


def read_files(paths: Sequence[Path], columns: Columns) -> LabelledData:
    """The rows of all files, grouped by language; HTML entities are left to the model's own normalisation.

    Raises InputError with file, line and remedy for whatever cannot be read as a labelled text.
    """
    if (columns.language is None) == (columns.only is None):
        raise InputError("say which language the texts are in: --language en, or --language-column NAME")
    rows: list[Row] = []
    left_out: Counter[str] = Counter()
    escaped = 0
    for path in paths:
        for number, cells in _read(path, columns):
            try:
                label, by = columns.labels.find(cells[columns.label])
            except InputError as error:
                raise InputError(f"{path}, line {number}: {error}") from None
            if label == SKIP:
                left_out[f"label {by!r}"] += 1
                continue
            text = decode_escapes(cells[columns.text])
            escaped += text != cells[columns.text]
            language = columns.only if columns.language is None else cells[columns.language].strip()
            if not language:
                raise InputError(
                    f"{path}, line {number}: no language in column {columns.language!r}; write und where it is unknown"
                )
            rows.append(Row(text, LABELS.index(label), language))
    notes = columns.labels.notes
    notes += [f"{escaped:,} texts held literal \\u escapes, which were decoded"] if escaped else []
    return gather(", ".join(path.name for path in paths), rows, left_out, notes)


def _read(path: Path, columns: Columns) -> Iterator[_Cells]:
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _jsonl(path, columns)
        case ".tsv":
            return _table(path, columns, _tsv(path))
        case ".csv":
            return _table(path, columns, _csv(path))
        case _:
            raise InputError(f"{path}: the name must end in {', '.join(SUFFIXES)}, which says how the file is read")


def _jsonl(path: Path, columns: Columns) -> Iterator[_Cells]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not JSON ({error})") from None
        if not isinstance(found, dict):
            raise InputError(f"{path}, line {number}: not a JSON object with the keys {', '.join(columns.names)}")
        for name in columns.names:
            value = found.get(name)
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise InputError(
                    f"{path}, line {number}: key {name!r} holds no text ({', '.join(found)[:200] or 'no key'}); "
                    "name the keys with --text-column, --label-column and --language-column"
                )
        yield number, {name: str(found[name]) for name in columns.names}


def _tsv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells between tabs; quotation marks are text, as in all sets of tweets that we know."""
    for number, line in enumerate(read_lines(path), start=1):
        if line.strip():
            yield number, line.split("\t")


def _csv(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Cells of RFC 4180; the delimiter is the one that gives the first line the most columns."""
    text = read_text(path)
    delimiter = max(",;\t|", key=text.split("\n", 1)[0].count)
    csv.field_size_limit(MAX_FIELD_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        first = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"{path}, line {first}: not a row of CSV ({error})") from None
        if any(cell.strip() for cell in cells):
            yield first, cells


def _table(path: Path, columns: Columns, lines: Iterator[tuple[int, list[str]]]) -> Iterator[_Cells]:
    if columns.numbered:
        places = {name: int(name) - 1 for name in columns.names}
        width = None
    else:
        number, header = next(lines, (1, []))
        header = [name.strip() for name in header]
        for name in columns.names:
            if header.count(name) != 1:
                raise InputError(
                    f"{path}, line {number}: column {name!r} is {'twice' if name in header else 'not'} in the header: "
                    f"{', '.join(header)[:300]}; name the columns with --text-column, --label-column and "
                    "--language-column, or number them (1 is the first) when there is no header"
                )
        places = {name: header.index(name) for name in columns.names}
        width = len(header)
    for number, cells in lines:
        if width is not None and (len(cells) < width or any(cells[width:])):
            raise InputError(
                f"{path}, line {number}: {len(cells)} columns where the header has {width}; a line feed or "
                f"{'tab' if path.suffix.lower() == '.tsv' else 'delimiter'} inside a text?"
            )
        for name, place in places.items():
            if not 0 <= place < len(cells):
                raise InputError(f"{path}, line {number}: there is no column {name}, the line has {len(cells)}")
        yield number, {name: cells[place] for name, place in places.items()}
