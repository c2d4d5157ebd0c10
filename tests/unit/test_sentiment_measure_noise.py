"""A set whose labels are known to be noise is shown, marked everywhere, and counts nowhere."""

from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from pipeline.cli.model.evaluate import UMSAB
from pipeline.sentiment.measure import noise, tables
from pipeline.sentiment.measure.data import read_umsab
from pipeline.sentiment.measure.evaluation import Options, evaluate
from pipeline.sentiment.measure.page import Picture, page
from pipeline.sentiment.measure.results import Evaluation, encode, read_evaluation
from pipeline.sentiment.training import card_measured
from pipeline.sentiment.trust.build import measured_languages
from tests.unit.sentiment_measure_model import FakeModel, guesses, labelled

NOTE = "hi: the labels of this set do not belong to its texts (docs/transfer.md): a score on it is chance; not part"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """Three languages with enough texts; Hindi's labels are noise, and its score is the lowest by far."""
    data = labelled(fr=150, hi=150, de=150, ar=3)
    monkeypatch.setattr(noise, "SETS", frozenset({data.sets[1].sha256}))
    known = guesses(data, 0.7, seed=2)
    known |= {text: value for text, value in guesses(data, 0.3, seed=3).items() if text.startswith("hi")}
    return evaluate(FakeModel("m", known), data, Options(resamples=200))


def test_it_is_noted_and_in_no_mean(found: Evaluation) -> None:
    assert any(note.startswith(NOTE) for note in found.notes)
    assert [mean.languages for mean in found.means] == [["fr", "de"]]
    hindi = found.languages[1]
    assert (hindi.enough, hindi.counts, hindi.doubt) == (True, False, "labels are noise")
    assert [one.doubt for one in found.languages] == ["", "labels are noise", "", "too few to tell"]


def test_not_in_a_mean_that_names_it_either(found: Evaluation) -> None:
    data = labelled(fr=150, hi=150, de=150, ar=3)
    named = evaluate(FakeModel("m", guesses(data, 0.7, seed=2)), data, Options(200, means=(("hi", "fr"), ("hi",))))
    assert [mean.languages for mean in named.means] == [["fr"]]


def test_it_is_marked_on_the_terminal_on_the_page_and_on_the_card(found: Evaluation) -> None:
    console = Console(width=79, record=True)
    console.print(tables.summary(found))
    shown = console.export_text()
    assert " hi #" in shown
    assert "# hi: the labels of this set" in shown
    assert " ar *" in shown
    written = page(found, defaultdict(lambda: Picture("", "")), ["fr", "hi", "de", "ar"])
    assert written.count('<span class="warn">labels are noise</span>') == 1
    assert written.count("The labels of this set do not belong to its texts") == 1
    card = card_measured.languages(found)
    assert "| hi (labels are noise) | 150 |" in card
    assert "| ar (too few to tell) | 3 |" in card
    assert NOTE in card


def test_it_is_never_the_worst_language_nor_measured_trust(found: Evaluation) -> None:
    assert min(found.languages[:3], key=lambda one: one.rule.macro_f1.value).language == "hi"
    first = card_measured.limits(found, 128).splitlines()[0]
    assert first.startswith("- Quality differs by language")
    assert " in hi" not in first
    assert set(measured_languages(found)) == {"fr", "de"}


def test_files_written_before_are_read_and_marked(found: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_bytes(encode(msgspec.structs.replace(found, notes=[])))
    assert b"noise" not in path.read_bytes()  # a property of the set, not a field
    assert [one.noise for one in read_evaluation(path).languages] == [False, True, False, False]


def test_the_set_that_is_known_is_umsabs_hindi() -> None:
    if not UMSAB.is_dir():
        pytest.skip("UMSAB is not on this machine")
    sets = {one.language: one.sha256 for one in read_umsab(UMSAB, "val").sets}
    assert {language for language, sha256 in sets.items() if sha256 in noise.SETS} == {"hindi"}
