"""The sample is what the README says it is, and detection and brand matching agree with its authors."""

from collections import Counter
from pathlib import Path

import langcodes
import pytest

from pipeline.brands import BrandMatcher, load_brands
from pipeline.errors import InputError
from pipeline.language import LanguageDetector
from pipeline.sample.texts import FOLDER, SampleMention, incident, ordinary, read
from pipeline.settings import Settings
from schemas.events import LABELS

EVERYTHING = (*ordinary(), *incident())


def test_size() -> None:
    languages = {mention.language for mention in ordinary()}
    assert len(ordinary()) >= 600
    assert len(languages) >= 24
    assert "hi-Latn" in languages


def test_keys_and_texts_are_unique() -> None:
    assert len({mention.key for mention in EVERYTHING}) == len(EVERYTHING)
    assert len({mention.text.casefold() for mention in EVERYTHING}) == len(EVERYTHING)


@pytest.mark.parametrize("language", sorted({mention.language for mention in ordinary()}))
def test_every_label_in_every_language(language: str) -> None:
    assert langcodes.tag_is_valid(language)
    assert langcodes.standardize_tag(language) == language
    counts = Counter(mention.label for mention in ordinary() if mention.language == language)
    assert set(counts) == set(LABELS)
    assert min(counts.values()) >= 5


def test_fields_are_in_bounds() -> None:
    for mention in EVERYTHING:
        assert mention.text.strip() == mention.text, mention.key
        assert 8 <= len(mention.text) <= 280, mention.key
        assert mention.source in {"microblog", "reviews", "forum", "video"}
        assert len(mention.country) == 2
        assert mention.country.isupper()


def test_incident_is_complaints_about_one_product_in_its_five_languages() -> None:
    assert {mention.language for mention in incident()} == {"pt", "es", "hi", "ja", "en"}
    assert {mention.label for mention in incident()} == {"negative"}
    assert {tuple(mention.brands) for mention in incident()} == {("lumora",)}
    assert min(Counter(mention.language for mention in incident()).values()) >= 20


def test_some_mentions_match_no_brand_and_some_two() -> None:
    by_number = Counter(len(mention.brands) for mention in ordinary())
    assert by_number[0] >= 50
    assert by_number[2] >= 8


def test_openings_vary() -> None:
    """No language repeats one sentence with the brand exchanged."""
    for language in {mention.language for mention in ordinary()}:
        texts = [mention.text for mention in ordinary() if mention.language == language]
        tails = Counter(text[-12:] for text in texts)
        assert tails.most_common(1)[0][1] <= 2, (language, tails.most_common(3))


def test_brand_matcher_finds_what_a_reader_finds() -> None:
    catalogue = load_brands(Settings().brands_file)
    matcher = BrandMatcher(catalogue)
    known = {brand.id for brand in catalogue.brands}
    wrong: list[tuple[str, list[str], list[str], str]] = []
    for mention in EVERYTHING:
        assert set(mention.brands) <= known, mention.key
        found = sorted({match.brand for match in matcher.match(mention.text, mention.language)})
        if found != sorted(mention.brands):
            wrong.append((mention.key, mention.brands, found, mention.text))
    assert not wrong, wrong


def test_detection_agrees_with_most_gold_languages() -> None:
    detector = LanguageDetector()

    def agrees(mention: SampleMention) -> bool:
        return detector.detect(mention.text, mention.lang_hint).tag == mention.language

    by_language: dict[str, list[bool]] = {}
    for mention in EVERYTHING:
        by_language.setdefault(mention.language, []).append(agrees(mention))
    shares = {language: sum(got) / len(got) for language, got in by_language.items()}
    total = sum(map(sum, by_language.values())) / len(EVERYTHING)
    assert total >= 0.97, shares
    assert all(share >= 0.85 for share in shares.values()), shares


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    good = (FOLDER / "mentions_english.jsonl").read_bytes().splitlines()[0]
    path = tmp_path / "mentions_x.jsonl"
    path.write_bytes(good + b'\n{"key": 7}\n')
    with pytest.raises(InputError, match=r"mentions_x\.jsonl:2"):
        read(path)
