"""Export of a real run, from a tiny encoder of another kind than the packaged one, and what it refuses. Needs torch."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.numpy import load_file, save_file

from pipeline.cli.model import command
from pipeline.errors import BabelwatchError, InputError, ModelError
from pipeline.sentiment.folder import CARD, CONFIG, ModelFolder
from pipeline.sentiment.model import Int8Model, load_model
from pipeline.settings import load_settings
from schemas.events import LABELS
from tests.tiny_encoder import Kind, write_configuration, write_data, write_encoder, write_tokenizer
from tests.unit.sentiment_texts import TEXTS

for _needed in ("torch", "transformers", "nncf", "accelerate", "matplotlib"):
    pytest.importorskip(_needed, reason=f"the extra `train` is not installed ({_needed})")

PLAIN = ["it is good and great", "my phone is awful terrible", "the shop opens at nine on monday"]


@dataclass(frozen=True)
class Trained:
    """A finished run and where it came from."""

    place: Path
    run: Path
    encoder: Path


def call(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, BabelwatchError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module", params=["bert", "xlm-roberta"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    kind: Kind = request.param
    place = tmp_path_factory.mktemp(kind)
    write_encoder(place / "encoder", kind)
    write_data(place / "data")
    configuration = write_configuration(place / "tiny.toml", "encoder")
    call("train", configuration, "--output", place / "run", "--threads", 1)
    return Trained(place, place / "run", place / "encoder")


@pytest.fixture(scope="module")
def exported(trained: Trained) -> Path:
    call("export", "--run", trained.run, "--stage", "english", "--output", trained.place / "int8", "--biases")
    return trained.place / "int8"


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    """A run that a test may damage."""
    shutil.copytree(trained.run, tmp_path / "run")
    return tmp_path / "run"


def labels(model: Int8Model, texts: list[str]) -> list[str]:
    return [one.label for one in model.decide(model.log_probabilities(texts), ["und"] * len(texts))]


def test_a_run_says_what_made_it(trained: Trained) -> None:
    facts = json.loads((trained.run / "run.json").read_text())
    assert facts["config"]["name"] == "tiny"
    assert set(facts["files"]) == {"english.tsv", "others.txt"}
    assert set(facts["weights"]) == {"english", "small"}
    assert {"torch", "transformers"} <= set(facts["packages"])
    assert facts["machine"]["threads"] == 1


def test_the_folder_brings_its_own_tokenizer_and_embeddings(trained: Trained, exported: Path) -> None:
    folder = ModelFolder(exported)
    assert folder.facts.embeddings.file == "embeddings.f16"
    assert folder.facts.tokenizer.file == "tokenizer.json"
    assert folder.facts.tokenizer.prefix == ""
    words = load_file(str(trained.encoder / "model.safetensors"))["embeddings.word_embeddings.weight"]
    own = np.fromfile(exported / "embeddings.f16", "<f2").reshape(words.shape)
    assert np.array_equal(own, words.astype("<f2"))
    damaged = bytearray((exported / "embeddings.f16").read_bytes())
    damaged[0] ^= 1
    other = trained.place / "damaged"
    shutil.copytree(exported, other)
    (other / "embeddings.f16").write_bytes(damaged)
    with pytest.raises(ModelError, match=r"embeddings\.f16 is damaged"):
        ModelFolder(other)


def test_it_is_served(exported: Path, tmp_path: Path) -> None:
    model = load_model(load_settings(model_path=exported, cache_dir=tmp_path / "empty"))
    assert labels(model, PLAIN) == ["positive", "negative", "neutral"]
    assert not (tmp_path / "empty").exists()  # nothing is unpacked for it
    assert len(labels(model, TEXTS)) == len(TEXTS)
    (judged,) = model.judge(["it is good and great"], ["pt"])
    assert judged.rule.startswith("balanced-parallel-")


def test_fidelity_and_rule_are_recorded(exported: Path) -> None:
    facts = json.loads((exported / "export.json").read_text())
    shares = {(one["graph"], one["on"]): one["same"] / one["texts"] for one in facts["fidelity"]["agreements"]}
    assert shares["fp32", "english"] == 1.0
    assert min(shares.values()) >= 0.97
    assert facts["fidelity"]["batches"]["other_labels"] == 0
    assert facts["fidelity"]["missed"] == []
    rule = ModelFolder(exported).facts.rule
    assert rule.temperature == facts["temperature"]["temperature"]
    assert set(rule.biases) == set(facts["biases"]["estimates"])
    assert {point.kind for point in rule.abstention if point.language == "en"} == {"guaranteed"}
    evaluation = json.loads((exported / "evaluation-held-out.json").read_text())
    assert [one["language"] for one in evaluation["languages"]] == [
        "english",
        "english, equal classes",
        "english, its mix told",
    ]


def test_the_card_is_made_of_the_folders_numbers(trained: Trained, exported: Path) -> None:
    folder = ModelFolder(exported)
    written = (exported / CARD).read_text(encoding="utf-8")
    assert call("card", "--model", exported, "--print").output == written
    assert f"model_version: {folder.version}" in written
    assert "Labels: **English alone**" in written
    assert "| english.tsv | " in written
    assert f"`{folder.facts.rule.name}`" in written
    other = trained.place / "renamed"
    shutil.copytree(exported, other)
    (other / CARD).write_text(written.replace(folder.version, f"{folder.facts.name}@00000000"), encoding="utf-8")
    with pytest.raises(ModelError, match=r"the card README\.md is that of"):
        load_model(load_settings(model_path=other))
    with pytest.raises(ModelError, match=r"the card README\.md is that of"):
        call("show", "--model", other)
    call("card", "--model", other)
    assert (other / CARD).read_text(encoding="utf-8") == written
    call("show", "--model", other)


def test_a_student_of_fewer_layers(trained: Trained) -> None:
    call("export", "--run", trained.run, "--output", trained.place / "small", "--name", "fast")
    folder = ModelFolder(trained.place / "small")
    assert folder.version.startswith("fast@")
    assert json.loads((folder.path / CONFIG).read_text())["num_hidden_layers"] == 1
    facts = json.loads((folder.path / "export.json").read_text())
    assert facts["layers"] == 1
    assert [one["stage"]["name"] for one in facts["training"]["stages"]] == ["english", "small"]
    assert facts["scales"]["other"] == 300


def test_a_full_folder_loads_in_transformers_and_judges_the_same(trained: Trained) -> None:
    from transformers import AutoModelForSequenceClassification, pipeline

    target = trained.place / "full"
    call("export", "--run", trained.run, "--stage", "english", "--output", target, "--precision", "fp32", "--full")
    served = load_model(load_settings(model_path=target))
    texts = [text for text in [*PLAIN, *TEXTS] if text.strip() and text.isprintable()]
    # temperatures by language are not in a full folder: it is as sure of everything as of English
    judged = served.decide(served.log_probabilities(texts), ["en"] * len(texts))
    found = pipeline("text-classification", str(target), trust_remote_code=True, device="cpu")(texts, batch_size=16)
    assert [one["label"] for one in found] == [one.label for one in judged]
    for one, other in zip(found, judged, strict=True):
        assert one["score"] == pytest.approx(max(other.negative, other.neutral, other.positive), abs=1e-4)
    loaded = AutoModelForSequenceClassification.from_pretrained(target, trust_remote_code=True)
    assert tuple(loaded.config.id2label[index] for index in range(3)) == LABELS


def test_a_missed_bound_is_said_and_nothing_is_written(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipeline.sentiment.training import fidelity

    monkeypatch.setitem(fidelity.SAME_LABELS, "fp32", 1.01)
    target = trained.place / "missed"
    arguments = ["export", "--run", trained.run, "--output", target, "--precision", "fp32"]
    with pytest.raises(fidelity.NotFaithful, match=r"fp32 graph gives torch's label on 100.00%.*--force") as caught:
        call(*arguments)
    assert caught.value.exit_code == 1
    assert not target.exists()
    call(*arguments, "--force")
    assert "Forced, although a bound was missed" in (target / CARD).read_text(encoding="utf-8")
    assert not list(trained.place.glob(".export-*"))


def test_a_folder_of_something_else_is_not_replaced(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is no model folder"):
        call("export", "--run", trained.run, "--output", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_stages_that_are_not_there(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has no stage 'large': it has english, small"):
        call("export", "--run", copy, "--stage", "large", "--output", tmp_path / "out")
    (copy / "small" / "stage.json").unlink()
    with pytest.raises(ModelError, match="stage small is not finished"):
        call("export", "--run", copy, "--output", tmp_path / "out")
    (copy / "run.json").unlink()
    with pytest.raises(ModelError, match="is no run of"):
        call("export", "--run", copy, "--output", tmp_path / "out")


def test_weights_that_are_cut_short_or_others(copy: Path, tmp_path: Path) -> None:
    path = copy / "small" / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cut short or damaged"):
        call("export", "--run", copy, "--output", tmp_path / "out")
    shutil.copyfile(copy / "english" / "weights.safetensors", path)
    with pytest.raises(ModelError, match=r"is not the file that .*run\.json tells of"):
        call("export", "--run", copy, "--output", tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w | {"head.weight": np.zeros((3, 16), np.float32)}, "of another width than the encoder"),
        (lambda w: w | {"embeddings.LayerNorm.bias": np.zeros(16, np.float32)}, "has shape"),
        (lambda w: {key.replace("encoder.", "transformer."): v for key, v in w.items()}, "another architecture than"),
    ],
)
def test_weights_of_another_network(trained: Trained, change: object, message: str) -> None:
    from pipeline.sentiment.training.sources import open_source

    weights = load_file(str(trained.run / "english" / "weights.safetensors"))
    with pytest.raises(ModelError, match=message):
        open_source(str(trained.encoder), Path()).build(change(weights))  # type: ignore[operator]


def test_nothing_held_out(trained: Trained, tmp_path: Path) -> None:
    shutil.copytree(trained.run, tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    for held_out, message in ((0, "held no English text out"), (300, "at least 20 of each are needed")):
        facts["config"]["held_out"] = held_out
        (tmp_path / "run" / "run.json").write_text(json.dumps(facts))
        with pytest.raises(ModelError, match=message):
            call("export", "--run", tmp_path / "run", "--output", tmp_path / "out")


def test_other_data_than_was_trained_with(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--data"):
        call("export", "--run", trained.run, "--data", tmp_path, "--output", tmp_path / "out")
    shutil.copytree(trained.place / "data", tmp_path / "data")
    with (tmp_path / "data" / "english.tsv").open("a") as file:
        file.write("\n1\tneutral\tone more")
    with pytest.raises(ModelError, match="is not the file that was trained with"):
        call("export", "--run", trained.run, "--data", tmp_path / "data", "--output", tmp_path / "out")


def test_an_encoder_that_changed_since(trained: Trained, copy: Path, tmp_path: Path) -> None:
    facts = json.loads((copy / "run.json").read_text())
    facts["encoder"] = "encoder@0000000000000000"
    (copy / "run.json").write_text(json.dumps(facts))
    with pytest.raises(ModelError, match="is not the encoder that the run was trained from"):
        call("export", "--run", copy, "--output", tmp_path / "out")


def test_folders_that_are_no_encoder(tmp_path: Path) -> None:
    from transformers import T5Config

    from pipeline.sentiment.training.foreign import EncoderFolder

    with pytest.raises(ModelError, match=r"config\.json is missing; save it there with transformers"):
        EncoderFolder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "no such thing"}')
    with pytest.raises(ModelError, match="is not one that transformers knows"):
        EncoderFolder(tmp_path)
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="t5 is no encoder of texts"):
        EncoderFolder(tmp_path)
    folder = write_encoder(tmp_path / "bert", "bert")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="cannot be read by the tokenizers library"):
        EncoderFolder(folder)
    write_tokenizer(folder, "bert")
    weights = load_file(str(folder / "model.safetensors"))
    weights["embeddings.word_embeddings.weight"] = weights["embeddings.word_embeddings.weight"][:5]
    save_file(weights, str(folder / "model.safetensors"), metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"its weights cannot be loaded|are not those of|tokens but there are 5"):
        EncoderFolder(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"model\.safetensors is missing"):
        EncoderFolder(folder)
