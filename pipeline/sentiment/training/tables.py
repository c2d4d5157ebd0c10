"""Columns of TSV, CSV and JSONL files, with the line number for messages."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import ModelError

Column = str | int
"""A column by its name in the first line (or key, in JSONL), or by its number from 0."""
Row = tuple[int, list[str]]
csv.field_size_limit(1 << 24)


def read_text(path: Path) -> str:
    """The file as text. Raises ModelError when it cannot be read or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is not UTF-8 ({error}): convert it first") from None
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from None


def rows(path: Path, columns: list[Column]) -> Iterator[Row]:
    """Line number and the values of ``columns``, by the file's ending: .jsonl, .csv, all others TSV without quotes.

    Raises ModelError that names the file and the line.
    """
    content = read_text(path)
    if path.suffix == ".jsonl":
        return _objects(path, content, columns)
    if path.suffix == ".csv":
        return _cells(path, csv.reader(content.splitlines(keepends=True), strict=True), columns)
    return _cells(path, (line.rstrip("\r").split("\t") for line in content.split("\n")), columns)


def _objects(path: Path, content: str, columns: list[Column]) -> Iterator[Row]:
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                record = json.loads(line)
                yield number, [str(record[column]) for column in columns]
            except (ValueError, KeyError, TypeError) as error:
                raise ModelError(f"{path}, line {number}: no JSON object with {columns} ({error!r})") from None


def _cells(path: Path, table: Iterable[list[str]], columns: list[Column]) -> Iterator[Row]:
    places = None if any(isinstance(column, str) for column in columns) else [int(column) for column in columns]
    try:
        for number, cells in enumerate(table, 1):
            if not cells or cells == [""]:
                continue
            if places is None:
                places = _places(path, cells, columns)
            elif max(places) >= len(cells):
                raise ModelError(f"{path}, line {number}: {len(cells)} columns, expected at least {max(places) + 1}")
            else:
                yield number, [cells[place] for place in places]
    except csv.Error as error:
        raise ModelError(f"{path}: {error}") from None


def _places(path: Path, header: list[str], columns: list[Column]) -> list[int]:
    missing = [column for column in columns if isinstance(column, str) and column not in header]
    if missing:
        raise ModelError(f"{path} has no column {missing[0]!r} in its first line: {', '.join(header[:8])}")
    return [header.index(column) if isinstance(column, str) else column for column in columns]
