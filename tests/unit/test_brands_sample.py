"""The sample's mentions, written apart from the matcher's rules: each has exactly its gold brands."""

import json
from pathlib import Path

import pytest

from pipeline import sample
from pipeline.brands import BrandMatcher, load_brands
from pipeline.language import LanguageDetector

FOLDER = Path(sample.__file__).parent
FILES = sorted(FOLDER.glob("mentions*.jsonl"))


@pytest.fixture(scope="module")
def matcher() -> BrandMatcher:
    return BrandMatcher(load_brands(FOLDER / "brands.yaml"))


def test_the_file_gives_no_warning() -> None:
    assert load_brands(FOLDER / "brands.yaml").warnings == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_gold_brands(matcher: BrandMatcher, path: Path) -> None:
    detector = LanguageDetector()
    wrong = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        language = detector.detect(row["text"], row.get("lang_hint")).tag
        found = sorted({match.brand for match in matcher.match(row["text"], language)})
        if found != sorted(row["brands"]):
            wrong.append((row["key"], language, found))
    assert wrong == []
