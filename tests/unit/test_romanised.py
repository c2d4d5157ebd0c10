"""The classifier of romanised languages beside lid.176: what it finds, what it must leave alone, what damages it."""

import hashlib
import json
import random
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from benchmarks import language_romanised as measured
from pipeline.errors import ModelError
from pipeline.language import DETECTOR, LanguageDetector, known_languages
from pipeline.romanised import classifier, opinion
from pipeline.romanised.letters import Hand
from pipeline.romanised.sources import STATEMENT, statement

DETECTOR_ = LanguageDetector()
ROWS = measured.sentences()
FOUND = measured.answers(ROWS)
ROMANISED = sorted(tag for tag in ROWS if measured.is_romanised(tag))
OTHERS = sorted(set(ROWS) - set(ROMANISED))
LEAST = {"hi-Latn": 0.9, "ru-Latn": 0.87}
"""Share of the sentences that are found at least, else 0.92: all were 0.95 to 1.0 when this was written."""
LICENCES = {"CC0-1.0", "CC-BY-2.0-FR", "CC-BY-4.0", "Apache-2.0", "MIT"}


def share(tag: str, wanted: str) -> float:
    return FOUND[tag].count(wanted) / len(FOUND[tag])


def test_ten_varieties_are_measured() -> None:
    assert set(ROMANISED) == {tag for tag in opinion.own() if measured.is_romanised(tag)} | {"ur-Latn"}


@pytest.mark.parametrize("tag", ROMANISED)
def test_romanised_languages_are_found(tag: str) -> None:
    assert share(tag, measured.CALLED.get(tag, tag)) >= LEAST.get(tag, 0.92)


@pytest.mark.parametrize("tag", ["id", "sw"])
def test_languages_that_lid_176_is_weak_in_are_found(tag: str) -> None:
    assert share(tag, tag) >= 0.95


@pytest.mark.parametrize("tag", OTHERS)
def test_no_other_language_is_called_romanised(tag: str) -> None:
    called = [line for line, found in zip(ROWS[tag], FOUND[tag], strict=True) if measured.is_romanised(found)]
    assert not called


def test_nor_are_the_first_words_of_english_sentences() -> None:
    for words in (1, 2, 3, 4):
        tags = measured.answers({"en": measured.pieces(ROWS, words)["en"]})["en"]
        assert sum(map(measured.is_romanised, tags)) <= 1, words


@pytest.mark.parametrize(
    "name",
    ["Toyota", "Hyundai", "Adobe", "Nokia", "Suzuki Swift", "Krasnodar", "Al Jazeera", "Huawei Mate", "LG", "Pepsi",
     "karaoke", "merci", "wtf", "hooray!"],
)  # fmt: skip
def test_a_name_or_a_single_word_is_no_romanised_language(name: str) -> None:
    assert not measured.is_romanised(DETECTOR_.detect(name).tag)


@pytest.mark.parametrize("tag", ["ar", "bn", "el", "fa", "he", "hi", "ja", "ko", "ru", "ta", "th", "uk", "ur", "zh"])
def test_texts_in_their_own_script_are_judged_as_without_the_classifier(tag: str) -> None:
    with measured.without_classifier():
        before = [DETECTOR_.detect(line) for line in ROWS[tag]]
    assert [DETECTOR_.detect(line) for line in ROWS[tag]] == before


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("tr", "Kamerası harika ama pili sadece iki saat dayanıyor"),
        ("hu", "A kamera nagyszerű, de az akkumulátor csak két órát bír"),
        ("da", "Kameraet er fantastisk, men batteriet holder kun to timer"),
        ("sr-Latn", "Kamera je odlična, ali baterija traje samo dva sata, nemojte kupovati ovaj uređaj"),
        ("mt", "Il-kamera hija tajba ħafna imma l-batterija ddum biss sagħtejn"),
    ],
)
def test_languages_that_are_not_its_own_stay_what_they_are(tag: str, text: str) -> None:
    assert tag not in opinion.own()
    hint = "sr" if tag == "sr-Latn" else None
    assert DETECTOR_.detect(text, hint).tag == tag


def test_the_detector_names_the_classifier_and_knows_its_tags() -> None:
    assert f"lid.176+{classifier.facts().name}" == DETECTOR
    assert opinion.own() <= known_languages()


def test_the_same_text_gets_the_same_answer() -> None:
    line = "yeh phone bahut accha hai yaar"
    assert len({(found.tag, found.confidence) for found in (LanguageDetector().detect(line) for _ in range(20))}) == 1


def test_what_both_say_sums_to_one_and_silence_changes_nothing() -> None:
    for line in ("yeh phone bahut accha hai yaar", "kya", "the camera is great", "privet"):
        assert sum(opinion.both({"en": 0.6, "it": 0.2}, line).values()) == pytest.approx(1.0)
    assert opinion.both({"en": 0.6}, "123 456") == {"en": 0.6}
    assert opinion.both({"en": 0.2, "sw": 0.2}, "phone chala bagundi kani battery") == {"en": 0.2, "sw": 0.2}
    assert opinion.both({}, "kya hua") == {}
    assert opinion.both({"en": 0.0}, "kya hua") == {"en": 0.0}


@pytest.mark.parametrize(
    ("hint", "text", "tag"),
    [
        ("hi", "yeh phone bahut accha hai yaar", "hi-Latn"),
        ("ur", "yeh phone bahut accha hai yaar", "ur-Latn"),
        ("hi", "kya", "hi-Latn"),
        ("ja", "kore sugoi", "ja-Latn"),
        ("th", "sawasdee krub", "th-Latn"),
        ("te", "phone chala bagundi kani battery", "te-Latn"),
        ("hi", "this is a really good phone, I like it", "en"),
        ("ja", "this is a really good phone, I like it", "en"),
        ("en", "yeh phone bahut accha hai yaar", "hi-Latn"),
        ("ja", "yeh phone bahut accha hai yaar", "hi-Latn"),
        ("ja", "カメラは最高だけど電池が二時間しか持たない", "ja"),
    ],
)
def test_hints_support_a_romanised_language_and_lose_against_a_clear_text(hint: str, text: str, tag: str) -> None:
    assert DETECTOR_.detect(text, hint).tag == tag


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the classifier's folder that may be damaged."""
    folder = tmp_path / classifier.FOLDER
    folder.mkdir()
    for name in (classifier.MODEL, classifier.FACTS):
        (folder / name).write_bytes((Path(classifier.__file__).parent / classifier.FOLDER / name).read_bytes())
    monkeypatch.setattr(classifier, "files", lambda package: tmp_path)
    caches = (classifier.facts, classifier.model, opinion.own, opinion.frequencies)
    for cached in caches:
        cached.cache_clear()
    yield folder
    for cached in caches:
        cached.cache_clear()


def test_a_whole_copy_loads(shipped: Path) -> None:
    answer = classifier.classify("kya hua bhai")
    assert max(answer, key=lambda tag: answer[tag]) == "hi-Latn"


def test_a_damaged_model_says_what_to_do(shipped: Path) -> None:
    data = bytearray((shipped / classifier.MODEL).read_bytes())
    data[len(data) // 2] ^= 1
    (shipped / classifier.MODEL).write_bytes(data)
    with pytest.raises(ModelError, match=r"romanised\.ftz is damaged \(sha256 .*restore it"):
        LanguageDetector()


def test_a_missing_model_says_what_to_do(shipped: Path) -> None:
    (shipped / classifier.MODEL).unlink()
    with pytest.raises(ModelError, match=r"cannot read romanised\.ftz .*restore it"):
        LanguageDetector()


def test_a_file_that_is_no_model_but_has_the_checksum(shipped: Path) -> None:
    (shipped / classifier.MODEL).write_bytes(b"no model")
    facts = json.loads((shipped / classifier.FACTS).read_bytes())
    facts["sha256"] = hashlib.sha256(b"no model").hexdigest()
    (shipped / classifier.FACTS).write_text(json.dumps(facts))
    with pytest.raises(ModelError, match="cannot be loaded"):
        LanguageDetector()


@pytest.mark.parametrize("text", ["{", '{"name": 7}', '{"more": true}'])
def test_facts_that_are_none_say_what_to_do(shipped: Path, text: str) -> None:
    (shipped / classifier.FACTS).write_text(text)
    with pytest.raises(ModelError, match=r"model\.json is not valid"):
        LanguageDetector()


def test_the_wheel_has_everything_but_the_clones() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"]["pipeline"]
    folder = Path(classifier.__file__).parent
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    assert {classifier.MODEL, classifier.FACTS, "README.md", "sources.tsv", "requirements.txt"} <= {
        path.name for path in files
    }
    for path in files:
        name = str(path.relative_to(folder.parent))
        assert any(fnmatch(name, pattern) for pattern in patterns), name


def test_the_data_statement_names_an_open_licence_for_every_source() -> None:
    assert {source.licence for source in statement()} <= LICENCES
    assert all(len(source.commit) == 40 and len(source.sha256) == 64 for source in statement())

    assert hashlib.sha256(STATEMENT.read_bytes()).hexdigest() == classifier.facts().statement_sha256


def test_one_hand_writes_a_letter_one_way() -> None:
    hand = Hand("ru", random.Random(1))
    assert hand.write("шар") == hand.write("шар")
    assert hand.write("шар").isascii()
