"""What recorded biases would change: one inference, two rules, the paired difference, and the card that says it."""

import json
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from pipeline.cli.model import command
from pipeline.errors import ModelError
from pipeline.sentiment.folder import CARD, CONFIG, ModelFolder
from pipeline.sentiment.measure import tables
from pipeline.sentiment.measure.biases import effect, other_rule
from pipeline.sentiment.measure.evaluation import Options, measured
from pipeline.sentiment.measure.judging import judge_by
from pipeline.sentiment.measure.results import FILE, Biases, read_evaluation
from pipeline.sentiment.parallel_bias import BiasEstimate
from pipeline.sentiment.rule import DecisionRule, RuleFacts, named
from pipeline.sentiment.training import card_measured, export_facts
from pipeline.sentiment.training.export_facts import BatchCheck, BiasFacts, ExportFacts, Fidelity
from pipeline.settings import load_settings
from tests.unit.sentiment_measure_model import FakeModel, guesses, labelled

OPTIONS = Options(resamples=200)
LEAN = {"fr": (0.0, 3.0, 0.0), "de": (0.0, 3.0, 0.0)}
"""What a leaning model adds to neutral; the biases take it away."""
CURE = dict.fromkeys(LEAN, (0.0, -3.0, 0.0))
LABELLED = Path(__file__).parents[2] / "docs" / "examples" / "labelled.csv"
ARGUMENTS = ["--text-column", "post", "--label-column", "mood", "--language-column", "lang", "--resamples", "200"]
ARGUMENTS += ["--labels", "pos=positive,neg=negative,neu=neutral,mixed=skip"]


class Counting(FakeModel):
    """Counts the texts that it is asked about."""

    def __init__(self, known: dict[str, tuple[float, float, float]], facts: RuleFacts) -> None:
        super().__init__("leaning", known)
        self.rule = facts.name
        self.asked = 0

    def log_probabilities(self, texts: Sequence[str]) -> list[tuple[float, float, float]]:
        self.asked += len(texts)
        return super().log_probabilities(texts)


def both(facts: RuleFacts) -> tuple[RuleFacts, RuleFacts]:
    return facts, other_rule(facts, CURE)


def biases_of(facts: RuleFacts) -> tuple[Biases, Counting]:
    data = labelled(en=150, fr=150, de=150)
    known = guesses(data, 0.7, seed=2)
    for text, values in known.items():
        lean = LEAN.get(text.split()[0])
        if lean is not None:
            moved = np.asarray(values) + lean
            known[text] = tuple(moved - np.log(np.exp(moved).sum()))
    model = Counting(known, facts)
    own, other = judge_by([partial(DecisionRule(one).judge, "leaning") for one in both(facts)], model, data)
    found = measured(model.name, model.rule, data, own, OPTIONS)
    return effect(own, other, found, facts, OPTIONS), model


@pytest.mark.parametrize("shipped", [False, True])
def test_the_difference_is_with_less_without_whichever_is_the_models_own(shipped: bool) -> None:
    facts = named("balanced-parallel" if shipped else "balanced", temperature=1.3, biases=CURE if shipped else {})
    found, model = biases_of(facts)
    assert model.asked == 450  # one inference
    assert found.shipped is shipped
    english, french, german = found.languages
    assert (english.macro_f1.value, english.only_this, english.p) == (0, 0, 1)  # no estimate for it
    for one in (french, german):
        assert one.macro_f1.low > 0.1
        assert one.only_this > one.only_other
    (mean,) = found.means
    assert mean.languages == ["fr", "de"]
    assert mean.macro_f1.value == pytest.approx((french.macro_f1.value + german.macro_f1.value) / 2, abs=2e-4)


def test_the_other_rule_differs_in_the_biases_alone() -> None:
    plain = named("balanced", log_prior=(-1.0, -0.5, -2.0), temperature=1.3)
    biased = other_rule(plain, CURE)
    assert biased.biases == CURE
    assert (biased.log_prior, biased.temperature) == (plain.log_prior, plain.temperature)
    assert other_rule(biased, CURE).biases == {}


def test_shown_on_the_terminal_and_said_on_the_card() -> None:
    data = labelled(fr=150, de=150, ar=3)
    facts = named("balanced")
    model = FakeModel("m", guesses(data, 0.7, seed=2))
    own, other = judge_by([partial(DecisionRule(one).judge, "m") for one in both(facts)], model, data)
    found = measured("m", facts.name, data, own, OPTIONS)
    assert card_measured.biases(None, recorded=False) == ""
    assert "was not measured (`babelwatch model evaluate --with-biases --write`)" in card_measured.biases(found, True)
    found = msgspec.structs.replace(found, biases=effect(own, other, found, facts, OPTIONS))
    console = Console(width=79, record=True)
    console.print(tables.summary(found))
    assert "with the recorded biases (not in the rule) less without" in console.export_text()
    said = card_measured.biases(found, True).replace("\n", " ")
    assert found.biases is not None
    assert (
        f"macro-F1 x 100 {card_measured.difference(found.biases.means[0].macro_f1)} in the mean of 2 (fr, de)" in said
    )
    assert "(too few to tell)" in said
    assert "They are **not** in the rule, for all languages alike; that yes or no may be decided" in said


# --- the command, with the shipped model


def evaluate(*arguments: str | Path) -> Result:
    result = CliRunner().invoke(command, ["evaluate", "--file", str(LABELLED), *ARGUMENTS, *map(str, arguments)])
    if isinstance(result.exception, ModelError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The shipped model with a rule that has no biases, and without a record of its export."""
    path = tmp_path / "model"
    shutil.copytree(load_settings().model_path, path, ignore=shutil.ignore_patterns(CARD, "e*.json", "trust.json"))
    config = json.loads((path / CONFIG).read_text(encoding="utf-8"))
    config["babelwatch"].pop("class_prior", None)
    config["babelwatch"] |= {"format": 2, "rule": msgspec.to_builtins(named("balanced"))}
    (path / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return path


def record(path: Path, estimates: dict[str, BiasEstimate] | None) -> None:
    folder = ModelFolder(path)
    facts = ExportFacts(
        model=folder.version,
        rule=folder.facts.rule.name,
        encoder="test",
        precision="int8",
        layers=12,
        parameters=1,
        weights={},
        max_tokens=128,
        full=False,
        scales=None,
        training=None,
        held_out=None,
        temperature=None,
        biases=None if estimates is None else BiasFacts(shipped=False, sentences=240, estimates=estimates),
        fidelity=Fidelity(
            agreements=[],
            batches=BatchCheck(texts=1, sizes=[1], other_labels=0, other_numbers=0),
            torch_f1=None,
            served_f1=None,
            missed=[],
        ),
        packages={},
    )
    export_facts.write_facts(path, facts)


def test_written_beside_the_evaluation_and_on_the_card(folder: Path) -> None:
    bias = (9.0, -9.0, 0.0)  # every text becomes negative
    record(folder, {"de": BiasEstimate(found=bias, standard_error=(0, 0, 0), kept=1.0, bias=bias, sentences=240)})
    evaluate("--model", folder, "--write", "--with-biases")
    written = read_evaluation(folder / FILE)
    assert written.biases is not None
    by_language = {one.language: one for one in written.biases.languages}
    assert by_language["de"].macro_f1.value < -0.3
    assert by_language["en"].macro_f1.value == by_language["es"].macro_f1.value == 0
    assert written.rule == ModelFolder(folder).facts.rule.name
    card = (folder / CARD).read_text(encoding="utf-8")
    assert "with the biases less without" in card.replace("\n", " ")
    assert "--data umsab --with-biases --write" in card
    evaluate("--model", folder, "--write")
    assert read_evaluation(folder / FILE).biases is None
    assert "What they change was not measured" in (folder / CARD).read_text(encoding="utf-8")


def test_a_folder_without_estimates(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"has no export\.json, so that --with-biases has nothing to compare"):
        evaluate("--model", folder, "--with-biases")
    record(folder, None)
    with pytest.raises(ModelError, match=r"has no estimated biases in export\.json"):
        evaluate("--model", folder, "--with-biases")
