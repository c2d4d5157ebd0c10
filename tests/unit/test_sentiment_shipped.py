"""What every shipped model must keep, read from its own folder; and the configurations that they are trained by."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from pipeline.sentiment.abstention import ANY, ENGLISH
from pipeline.sentiment.folder import CARD, CONFIG, ModelFolder
from pipeline.sentiment.measure.results import FILE as EVALUATION
from pipeline.sentiment.measure.results import Evaluation, LanguageResult, read_evaluation
from pipeline.sentiment.training import held_out_evaluation
from pipeline.sentiment.training.card import card
from pipeline.sentiment.training.config import Labelled, Stage, Unlabelled, read_config
from pipeline.sentiment.training.export_facts import FILE as EXPORT
from pipeline.sentiment.training.export_facts import ExportFacts, Training, read_facts
from pipeline.sentiment.training.fidelity import F1_LOSS, SAME_LABELS
from pipeline.sentiment.trust import table as trust_table
from pipeline.settings import PACKAGE

FOLDERS = sorted(path.parent for path in (PACKAGE / "sentiment" / "models").glob(f"*/{CONFIG}"))
CONFIGS = sorted((PACKAGE / "sentiment" / "training" / "configs").glob("*.toml"))
MEASURED_WITH = "umsab/english/val_text.txt"
LEAST_TEXTS = 5000
MOST_ERROR = 0.05


@pytest.fixture(params=FOLDERS, ids=lambda path: path.name)
def folder(request: pytest.FixtureRequest) -> ModelFolder:
    path: Path = request.param
    if not (path / EXPORT).is_file():
        pytest.skip(f"{path.name} has no {EXPORT}: it was made before exports were recorded")
    return ModelFolder(path)


@pytest.fixture
def facts(folder: ModelFolder) -> ExportFacts:
    found = read_facts(folder)
    assert found is not None
    return found


@pytest.fixture
def training(facts: ExportFacts) -> Training:
    assert facts.training is not None, "exported from bare weights: nothing says what they learned from"
    return facts.training


def own(folder: ModelFolder, name: str) -> Evaluation:
    """An evaluation of the folder, of this very model and rule: with another one the card would leave it out."""
    found = read_evaluation(folder.path / name)
    assert (found.model, found.rule) == (folder.version, folder.facts.rule.name)
    return found


def matches(name: str, pattern: str) -> bool:
    """Whether a file of the data is one of a glob pattern's, whose ``*`` stops at slashes."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def test_a_model_is_shipped() -> None:
    assert FOLDERS
    assert CONFIGS


# --- the export


def test_bounds_that_an_export_repeats_are_those_that_were_promised() -> None:
    assert SAME_LABELS == {"fp32": 0.999, "int8": 0.97}
    assert F1_LOSS == 0.005


def test_the_graph_is_true_to_what_was_trained(facts: ExportFacts) -> None:
    proof = facts.fidelity
    assert proof.missed == []
    assert {(one.graph, one.on) for one in proof.agreements} >= {(facts.precision, "english")}
    for one in proof.agreements:
        assert one.share >= SAME_LABELS[one.graph], one
    assert proof.torch_f1 is not None
    assert proof.served_f1 is not None
    assert proof.torch_f1 - proof.served_f1 <= F1_LOSS
    assert proof.batches.texts > 0
    assert proof.batches.other_labels == 0


def test_only_english_labels_were_read(training: Training) -> None:
    patterns = [name for one in training.stages for source in one.stage.labelled for name in source.files]
    assert patterns, "no stage has learned from labels"
    labelled = {name for name in training.data if any(matches(name, pattern) for pattern in patterns)}
    assert labelled, "no file of the record is one of a labelled source"
    assert not [name for name in (*labelled, *patterns) if not name.startswith("english")]
    assert not [name for name in training.data if name.endswith("_labels.txt")]
    others = [name for name in training.data if name.startswith("umsab/") and name != MEASURED_WITH]
    assert not others, "texts of the measured languages were read"
    assert MEASURED_WITH in training.left_out
    assert training.held_out > 0


def test_the_card_is_the_one_that_is_written_from_the_folder(folder: ModelFolder) -> None:
    written = (folder.path / CARD).read_text(encoding="utf-8")
    assert written == card(folder), f"run: babelwatch model card --model {folder.path}"
    assert f"model_version: {folder.version}\n" in written
    assert f"decision_rule: {folder.facts.rule.name}\n" in written


# --- what was measured


def kinds(found: Evaluation) -> dict[str, LanguageResult]:
    return {one.language: one for one in found.languages}


def test_probabilities_on_held_out_english_mean_what_they_say(folder: ModelFolder) -> None:
    """Of the kind of text with the most labels. As the texts come the balanced posterior is not told their mix, and is
    off by it; told the mix, and on as many of each label, it must be right."""
    found = kinds(own(folder, held_out_evaluation.FILE))
    plain = [one for name, one in found.items() if ", " not in name]
    largest = max(plain, key=lambda one: one.texts)
    assert largest.texts >= LEAST_TEXTS
    for way in (held_out_evaluation.EQUAL, held_out_evaluation.TOLD):
        error = found[f"{largest.language}, {way}"].rule.calibration
        assert error.value <= MOST_ERROR, (way, error)


def test_languages_were_measured_and_noise_is_in_no_mean(folder: ModelFolder) -> None:
    found = own(folder, EVALUATION)
    noise = {one.language for one in found.languages if not one.counts}
    assert found.means
    for mean in found.means:
        assert len(mean.languages) > 1
        assert not noise & set(mean.languages)


def test_abstention_has_thresholds_for_english_and_for_any_language(folder: ModelFolder) -> None:
    points = folder.facts.rule.abstention
    errors = {one.error for one in points}
    assert errors
    for language in (ENGLISH, ANY):
        assert {one.error for one in points if one.language == language} == errors
    assert {one.kind for one in points if one.language == ENGLISH} == {"guaranteed"}
    assert any(one.threshold is not None for one in points if one.language == ENGLISH)


def test_languages_that_the_encoder_never_saw_are_below_the_worst_measured_one(folder: ModelFolder) -> None:
    table = trust_table.read(folder)
    assert table is not None, f"run: babelwatch model trust --model {folder.path} --write"
    assert (table.model, table.rule) == (folder.version, folder.facts.rule.name)
    measured = {one.language: one for one in table.languages if one.source == "measured"}
    scores = {tag: one.macro_f1.value for tag, one in measured.items() if one.macro_f1 is not None}
    assert table.worst == min(scores, key=lambda tag: scores[tag])
    unseen = [one for one in table.languages if not one.evidence.seen and one.language not in (*scores, "und")]
    assert len(unseen) > 60
    for one in (*unseen, table.other):
        assert one.macro_f1 is not None
        assert one.macro_f1.value < scores[table.worst], one.language
        assert (one.level, one.source) == ("low", "estimated"), one.language


# --- the configurations


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_configuration_leaves_out_what_the_model_is_measured_with(path: Path) -> None:
    stages: list[Stage] = read_config(path).stages
    labelled = [source for stage in stages for source in stage.labelled]
    assert labelled
    assert not [name for source in labelled for name in source.files if not name.startswith("english")]
    sources: list[Labelled | Unlabelled] = [*labelled, *(source for stage in stages for source in stage.unlabelled)]
    tweets = [one for one in sources if any(name.startswith("english_tweets/") for name in one.files)]
    assert tweets
    assert not [one for one in tweets if MEASURED_WITH not in one.without]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_configuration_holds_out_english_that_is_read_without_labels_too(path: Path) -> None:
    config = read_config(path)
    assert config.held_out > 0
    known = {name for stage in config.stages for source in stage.labelled for name in source.files}
    for stage in config.stages:
        for source in stage.unlabelled:
            same = [one for one in source.files for other in known if matches(one, other) or matches(other, one)]
            assert source.hold_out or not same, (stage.name, same)
