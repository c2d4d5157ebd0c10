"""The tables of each script: where brands are found, where they are not, and the failures that the docs admit."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.brands import BrandMatcher, load_brands

FIXTURES = Path(__file__).parents[1] / "fixtures" / "brands"
DOCS = Path(__file__).parents[2] / "docs" / "brands.md"
TABLES = sorted(path for path in FIXTURES.glob("*.yaml") if path.stem != "catalogue")
LOADED: dict[str, dict[str, list[dict[str, Any]]]] = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in TABLES
}
REQUIRED = {"latin", "cyrillic", "arabic", "devanagari", "turkish", "german", "japanese", "chinese", "thai"}


@pytest.fixture(scope="module")
def matcher() -> BrandMatcher:
    return BrandMatcher(load_brands(FIXTURES / "catalogue.yaml"))


def cases(kind: str) -> list[Any]:
    return [
        pytest.param(case, id=f"{table}-{index}")
        for table, kinds in LOADED.items()
        for index, case in enumerate(kinds[kind])
    ]


def unmark(case: dict[str, Any]) -> tuple[str, list[tuple[str, int, int]]]:
    """The text without its marks, and (brand, start, end) of each."""
    text, spans, start = "", [], 0
    for char in case["text"]:
        if char == "⟦":
            start = len(text)
        elif char == "⟧":
            spans.append((case.get("brand", "nimbus"), start, len(text)))
        else:
            text += char
    return text, spans


def found(matcher: BrandMatcher, case: dict[str, Any]) -> tuple[list[tuple[str, int, int]], list[tuple[str, int, int]]]:
    text, expected = unmark(case)
    return [(match.brand, match.start, match.end) for match in matcher.match(text, case["language"])], expected


@pytest.mark.parametrize("case", cases("match"))
def test_is_found_exactly_where_it_is_marked(matcher: BrandMatcher, case: dict[str, Any]) -> None:
    got, expected = found(matcher, case)
    assert expected, "a case of `match` needs a marked place"
    assert got == expected


@pytest.mark.parametrize("case", cases("no_match"))
def test_is_not_found(matcher: BrandMatcher, case: dict[str, Any]) -> None:
    got, expected = found(matcher, case)
    assert not expected
    assert got == []


@pytest.mark.parametrize("case", cases("known_failures"))
def test_known_failure_still_fails(matcher: BrandMatcher, case: dict[str, Any]) -> None:
    """When one of these is repaired, it moves to `match` or `no_match` and out of the docs."""
    got, expected = found(matcher, case)
    assert got != expected
    assert bool(expected) != bool(case.get("wrong")), "`wrong: true` is for texts where nothing should be found"


@pytest.mark.parametrize("table", sorted(REQUIRED))
def test_table_is_large_enough(table: str) -> None:
    assert len(LOADED[table]["match"]) >= 20
    assert len(LOADED[table]["no_match"]) >= 20


def test_cases_differ() -> None:
    for table, kinds in LOADED.items():
        seen = [(case["language"], case["text"]) for cases_ in kinds.values() for case in cases_]
        assert len(seen) == len(set(seen)), table


def test_docs_list_every_known_failure() -> None:
    lines = DOCS.read_text(encoding="utf-8")
    for table, kinds in LOADED.items():
        for case in kinds["known_failures"]:
            assert f"`{unmark(case)[0]}`" in lines, f"{table}: {case['text']}"
            assert case["note"] in lines, f"{table}: {case['note']}"
