"""The parts of an export that need no torch: temperature, held-out texts, bounds, weights, tokenizer, card."""

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import normalizers

from pipeline.errors import ModelError
from pipeline.sentiment.correction import log_softmax
from pipeline.sentiment.folder import CARD, CONFIG, ModelFolder
from pipeline.sentiment.measure.results import FILE as EVALUATION
from pipeline.sentiment.rule import DecisionRule, named
from pipeline.sentiment.text import normalise
from pipeline.sentiment.training import fidelity, fit_rule
from pipeline.sentiment.training.card import card, write_card
from pipeline.sentiment.training.config import Labelled, Stage, Unlabelled
from pipeline.sentiment.training.export_facts import BatchCheck
from pipeline.sentiment.training.full import head, normaliser
from pipeline.sentiment.training.held_out import equal_classes, for_fitting, for_judging, kind_of, read_held_out
from pipeline.sentiment.training.held_out_evaluation import evaluate_held_out
from pipeline.sentiment.training.runs import StageFacts
from pipeline.sentiment.training.texts import is_held_out
from pipeline.sentiment.training.weights import keep_layers, layer_count, load_weights
from pipeline.settings import PACKAGE
from tests.sentiment_folder import with_rule
from tests.unit.sentiment_texts import TEXTS

SHIPPED = sorted(path.parent for path in (PACKAGE / "sentiment" / "models").glob(f"*/{CONFIG}"))
DICE = np.random.default_rng(7)


def simulated(count: int, temperature: float, mix: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities that are too sure by 1 / temperature, and labels of this mix."""
    gold = DICE.choice(3, count, p=mix)
    scores = DICE.normal(0, 1, (count, 3))
    scores[np.arange(count), gold] += 1.0  # likelihood ratio of a shift by 1: the balanced posterior is their softmax
    return log_softmax(scores / temperature), gold


# --- rule


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("mix", [(1 / 3, 1 / 3, 1 / 3), (0.1, 0.6, 0.3)])
def test_the_temperature_is_found_whatever_the_mix(temperature: float, mix: tuple[float, float, float]) -> None:
    values, gold = simulated(20_000, temperature, mix)
    found = fit_rule.fit_temperature(values, gold)
    assert found.temperature == pytest.approx(1 / temperature, rel=0.06)
    assert found.after <= found.before + 1e-4


def test_the_temperature_of_a_model_that_is_always_right_stays_within_bounds() -> None:
    gold = np.arange(60) % 3
    found = fit_rule.fit_temperature(log_softmax(np.eye(3)[gold]), gold)
    named("x", temperature=found.temperature)
    assert 0.05 <= found.temperature <= 20


def test_a_class_prior_is_taken_away_before_the_temperature() -> None:
    values, gold = simulated(20_000, 1.0, (1 / 3, 1 / 3, 1 / 3))
    prior = np.log([0.15, 0.45, 0.40])
    shifted = log_softmax(values + prior)
    found = fit_rule.fit_temperature(shifted, gold, (float(prior[0]), float(prior[1]), float(prior[2])))
    assert found.temperature == pytest.approx(1.0, rel=0.06)


def test_trust_is_agreement_beyond_guessing() -> None:
    english = np.eye(3)[DICE.integers(0, 3, 3000)]
    assert fit_rule.trust(english, english) == 1.0
    assert fit_rule.trust(english, np.eye(3)[DICE.integers(0, 3, 3000)]) < 0.08
    half = english.copy()
    half[::2] = np.eye(3)[DICE.integers(0, 3, 1500)]
    assert fit_rule.trust(english, half) == pytest.approx(0.5, abs=0.05)


def test_abstention_is_guaranteed_in_english_and_more_careful_elsewhere() -> None:
    values, gold = simulated(4000, 1.0, (0.2, 0.4, 0.4))
    sentences = {"en": values[:240], "de": values[:240], "xx": np.roll(values[:240], 1, axis=1)}
    points = fit_rule.abstention(named("plain"), values, gold, sentences)
    by = {(point.language, point.error): point for point in points}
    assert by["en", 0.3].kind == "guaranteed"
    assert by["de", 0.3].kind == by["*", 0.3].kind == "estimated"

    def threshold(language: str) -> float:
        found = by[language, 0.3].threshold
        return 2.0 if found is None else found

    assert threshold("en") <= threshold("de") <= threshold("xx") <= threshold("*")


def test_the_head_of_a_full_folder_is_the_rule() -> None:
    weights = {
        "head.weight": DICE.normal(size=(3, 8)).astype(np.float32),
        "head.bias": np.array([0.1, -0.2, 0.3], np.float32),
    }
    rule = named("x", log_prior=(-1.9, -0.8, -0.92), temperature=1.7)
    pooled = DICE.normal(size=(50, 8))
    weight, bias = head(weights, rule)
    logits = pooled @ weights["head.weight"].T + weights["head.bias"]
    expected = DecisionRule(rule).posteriors(log_softmax(logits.astype(np.float64)), ["en"] * 50)
    assert np.exp(log_softmax(pooled @ weight.T + bias)) == pytest.approx(expected, abs=1e-5)


# --- held-out texts


def lineage(folder: Path, texts: int, **unlabelled: str) -> list[StageFacts]:
    names = ["negative", "neutral", "positive"]
    lines = [f"{number}\t{names[number % 3]}\ttext number {number}" for number in range(texts)]
    (folder / "english").mkdir(exist_ok=True)
    (folder / "english" / "a.tsv").write_text("\n".join(lines))
    for name, content in unlabelled.items():
        (folder / f"{name}.txt").write_text(content)
    stage = Stage(
        name="one",
        teacher=["zero"] if unlabelled else [],
        labelled=[Labelled(files=["english/*.tsv"], text=2, label=1, take=10)],
        unlabelled=[Unlabelled(files=[f"{name}.txt"]) for name in unlabelled],
    )
    return [StageFacts(id="", stage=stage, data={}, examples=10, tokens=10, seconds=1)]


def test_held_out_texts_fit_or_are_judged_never_both(tmp_path: Path) -> None:
    held = read_held_out(lineage(tmp_path, 6000), tmp_path, 8)
    assert all(is_held_out(text, 8) for text in held.texts)
    assert set(held.kinds) == {"english"}
    fitting, judging = for_fitting(held, 8), for_judging(held, 8)
    assert not set(fitting.texts) & set(judging.texts)
    assert len(fitting) + len(judging) == len(held) == pytest.approx(750, abs=100)
    assert len(fitting) == pytest.approx(len(held) / 6, abs=40)
    assert held.files == ["english/a.tsv"]


def test_a_text_that_was_learned_without_its_label_is_not_held_out(tmp_path: Path) -> None:
    first = read_held_out(lineage(tmp_path, 6000), tmp_path, 8).texts[0]
    again = read_held_out(lineage(tmp_path, 6000, pool=f"{first}\nanother"), tmp_path, 8)
    assert first not in again.texts


def test_too_few_held_out_texts(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="held no English text out"):
        read_held_out(lineage(tmp_path, 300), tmp_path, 0)
    with pytest.raises(ModelError, match="at least 20 of each are needed; hold out more"):
        read_held_out(lineage(tmp_path, 300), tmp_path, 8)
    facts = lineage(tmp_path, 300)[0]
    bare = msgspec.structs.replace(facts, stage=msgspec.structs.replace(facts.stage, labelled=[]))
    with pytest.raises(ModelError, match="nothing held out"):
        read_held_out([bare], tmp_path, 8)


def test_equal_classes_keeps_all_of_the_rarest(tmp_path: Path) -> None:
    held = read_held_out(lineage(tmp_path, 6000), tmp_path, 8)
    chosen = held.part(equal_classes(held))
    assert set(chosen.counts()) == {min(held.counts())}


def test_kinds_of_text_are_named_after_their_folder() -> None:
    assert kind_of(Labelled(files=["english_tweets/*.tsv"])) == "english_tweets"
    assert kind_of(Labelled(files=["reviews.tsv"])) == "reviews"


def test_held_out_texts_are_measured_in_three_ways(tmp_path: Path) -> None:
    held = read_held_out(lineage(tmp_path, 9000), tmp_path, 8)
    values = log_softmax(np.eye(3)[held.gold] * 2 + DICE.normal(0, 1, (len(held), 3)))
    found = evaluate_held_out("m@1", named("plain"), held, values, "held-out")
    names = [one.language for one in found.languages]
    assert names == ["english", "english, equal classes", "english, its mix told"]
    assert found.means == []
    assert found.languages[0].rule.macro_f1.value > 0.8


# --- fidelity


def proof(same: int, other: int = 1000, batches: int = 0) -> list[str]:
    """What is missed when int8 gives torch's label on ``same`` of 1,000 English texts, ``other`` of 1,000 others."""
    torch = np.tile(np.log([0.7, 0.2, 0.1]), (2000, 1))
    served = torch.copy()
    served[same:1000] = np.log([0.2, 0.7, 0.1])
    served[1000 + other :] = np.log([0.2, 0.7, 0.1])
    compared = fidelity.Compared(torch=torch, fp32=torch, served=served, precision="int8")
    check = BatchCheck(texts=10, sizes=[2], other_labels=batches, other_numbers=batches)
    english = np.arange(2000) < 1000
    return fidelity.judge(compared, english, np.arange(1000) % 3, check, np.zeros(3)).missed


def test_bounds_of_fidelity() -> None:
    assert proof(999) == []
    assert [line[:60] for line in proof(960)] == [
        "the int8 graph gives torch's label on 96.00% of 1000 english",
    ]
    assert "other texts" in proof(1000, 960)[0]
    assert "in another batch" in proof(1000, batches=1)[0]


def test_a_loss_of_macro_f1_is_missed() -> None:
    gold = np.arange(999) % 3
    torch = log_softmax(np.eye(3)[gold] * 3)
    served = torch.copy()
    served[:20] = torch[1:21]
    compared = fidelity.Compared(torch=torch, fp32=torch, served=served, precision="int8")
    check = BatchCheck(texts=10, sizes=[2], other_labels=0, other_numbers=0)
    found = fidelity.judge(compared, np.ones(999, bool), gold, check, np.zeros(3))
    assert found.torch_f1 == 1.0
    assert any("falls from 100.00 to 98.00" in line for line in found.missed)


# --- weights


def weights_file(folder: Path, **changes: np.ndarray) -> Path:
    tensors = {"head.weight": np.ones((3, 8), np.float32), "head.bias": np.zeros(3, np.float32)} | changes
    save_file(tensors, str(folder / "weights.safetensors"))
    return folder / "weights.safetensors"


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    path = weights_file(tmp_path)
    assert set(load_weights(path)) == {"head.weight", "head.bias"}
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ModelError, match="cut short or damaged"):
        load_weights(path)
    with pytest.raises(ModelError, match="the head has shapes"):
        load_weights(weights_file(tmp_path, **{"head.weight": np.ones((2, 8), np.float32)}))
    with pytest.raises(ModelError, match=r"head\.bias holds values that are not numbers"):
        load_weights(weights_file(tmp_path, **{"head.bias": np.array([0, np.nan, 0], np.float32)}))


@pytest.mark.parametrize("prefix", ["encoder.layer.", "transformer.layer.", "layers."])
def test_layers_are_counted_and_kept_in_the_names_of_several_architectures(prefix: str) -> None:
    weights = {f"{prefix}{layer}.weight": np.full(1, layer, np.float32) for layer in range(12)} | {"head.bias": 0}
    assert layer_count(weights) == 12
    kept = keep_layers(weights, [0, 5, 11])
    assert {key: float(value[0]) for key, value in kept.items() if key != "head.bias"} == {
        f"{prefix}0.weight": 0,
        f"{prefix}1.weight": 5,
        f"{prefix}2.weight": 11,
    }
    with pytest.raises(ModelError, match="the weights have 12 layers"):
        keep_layers(weights, [12])


def test_weights_without_layers_of_their_own() -> None:
    assert layer_count({"encoder.albert_layer_groups.0.albert_layers.0.ffn.weight": 0, "head.bias": 0}) == 0


# --- the tokenizer of a full folder


NORMALISER = normalizers.Sequence(normaliser(""))


@pytest.mark.parametrize(
    "text",
    [
        "see https://a.example/x?y=1, WWW.b.example and httpx",
        "mail me@example.org, ask @anna.b, @c@social.example or @@d",
        "a &lt;b&gt; &quot;c&quot; &amp;amp; &#39;d&#39; R&D",
        "\t tabs \n and\r\n lines \u00a0\u2003 blanks \x1c\x1f end ",
        "handle after a letter: é@x, हिन्दी@x, @हिन्दी, _@x, ٣@x",
        "@\u0939\u093f\u0928 mark",
    ],
)
def test_the_normaliser_for_transformers_is_ours(text: str) -> None:
    assert NORMALISER.normalize_str(text) == normalise(text)


def test_the_normaliser_for_transformers_is_ours_on_ordinary_texts() -> None:
    for text in TEXTS:
        if "\ud800" not in text:
            assert NORMALISER.normalize_str(text) == normalise(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("a@._-é \t\nहि:/w.http1&x😀"), max_size=40))
def test_the_normaliser_for_transformers_is_ours_on_any_text(text: str) -> None:
    assert NORMALISER.normalize_str(text) == normalise(text)


# --- card


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_card_is_made_of_its_folders_numbers(folder: Path) -> None:
    if not (folder / "export.json").is_file():
        pytest.skip("this folder's card was written before cards were made of export.json")
    assert (folder / CARD).read_text(encoding="utf-8") == card(ModelFolder(folder))


def test_a_card_says_what_it_does_not_know(tmp_path: Path) -> None:
    folder = ModelFolder(with_rule(tmp_path / "model", named("plain", biases={"pt": (0.1, -0.1, 0.0)})))
    written = card(folder)
    assert "Not measured yet" in written  # the table beside it is that of another rule
    assert "Not recorded in this folder." in written
    assert "+ bias of the language" in written
    assert "None: `--accept-error` cannot be used with this model." in written


def test_a_card_of_other_weights_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED[0], tmp_path / "model")
    folder = ModelFolder(tmp_path / "model")
    path = write_card(folder)
    ModelFolder(folder.path)
    text = path.read_text(encoding="utf-8")
    assert f"model_version: {folder.version}\n" in text
    path.write_text(text.replace(folder.version[-8:], "0" * 8), encoding="utf-8")
    with pytest.raises(ModelError, match=r"README\.md is that of .*@00000000, the weights are .*babelwatch model card"):
        ModelFolder(folder.path)
    assert card(ModelFolder(folder.path, check_card=False)) == text
    path.write_text("---\nlicense: mit\n---\nmine\nmodel_version: x@1\n")  # not in the front matter: text
    ModelFolder(folder.path)
    path.unlink()
    ModelFolder(folder.path)


def test_a_card_of_another_rule_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED[0], tmp_path / "model")
    path = write_card(ModelFolder(tmp_path / "model"))
    text, rule = path.read_text(encoding="utf-8"), ModelFolder(tmp_path / "model").facts.rule.name
    assert text.count(f"decision_rule: {rule}\n") == 1
    path.write_text(text.replace(f"decision_rule: {rule}", "decision_rule: balanced-000000"), encoding="utf-8")
    with pytest.raises(
        ModelError,
        match=rf"README\.md is that of the decision rule balanced-000000, the folder's is {rule}: .*model card",
    ):
        ModelFolder(tmp_path / "model")
    write_card(ModelFolder(tmp_path / "model", check_card=False))
    ModelFolder(tmp_path / "model")
    path.write_text(text.replace(f"decision_rule: {rule}\n", ""), encoding="utf-8")  # a card from before the line
    ModelFolder(tmp_path / "model")


def test_numbers_of_another_model_are_left_out(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED[0], tmp_path / "model")
    folder = ModelFolder(tmp_path / "model")
    assert "| english |" in card(folder)
    known = json.loads((folder.path / EVALUATION).read_text())
    (folder.path / "evaluation-reviews.json").write_text(json.dumps(known | {"data": "reviews"}))
    assert "| reviews, english |" in card(folder)
    for name in (EVALUATION, "evaluation-reviews.json"):
        (folder.path / name).write_text(json.dumps(known | {"model": "other@12345678"}))
    assert "| english |" not in card(folder)
    assert "reviews, english" not in card(folder)


def test_own_embeddings_lie_in_the_folder(tmp_path: Path) -> None:
    folder = with_rule(tmp_path / "model", named("plain"))
    config = json.loads((folder / CONFIG).read_text())
    config["babelwatch"]["embeddings"]["file"] = "../../etc/passwd"
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(ModelError, match="is not valid"):
        ModelFolder(folder)
