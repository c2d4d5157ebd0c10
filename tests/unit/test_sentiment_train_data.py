"""What a training reads: configuration, tables, texts, examples. Without torch."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.sentiment.training.config import Labelled, Pairs, Stage, TrainConfig, Unlabelled, prefix_of, read_config
from pipeline.sentiment.training.examples import Float32, build, of_labelled, surest_of_each_class
from pipeline.sentiment.training.tables import rows
from pipeline.sentiment.training.texts import (
    LabelledText,
    is_held_out,
    read_labelled,
    read_pairs,
    read_unlabelled,
    sample,
)

STAGE = '[[stages]]\nname = "english"\n[[stages.labelled]]\nfiles = ["a.tsv"]\n'
THREE = "1\tnegative\tawful\n2\tneutral\tit opens at nine\n3\tpositive\tlovely\n"


def config(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.toml"
    path.write_text('name = "run"\n' + text)
    return path


def test_a_configuration_is_read_with_its_defaults(tmp_path: Path) -> None:
    found = read_config(config(tmp_path, STAGE))
    (stage,) = found.stages
    assert stage.start == ["encoder"]
    assert stage.batch == 32
    assert found.held_out == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "stages"),
        (STAGE.replace("english", "Eng lish"), "matching regex"),
        (STAGE + STAGE, "two stages are called 'english'"),
        (STAGE.replace('name = "english"', 'name = "english"\nstart = ["other"]'), "no earlier stage"),
        (STAGE.replace('name = "english"', 'name = "english"\nlearning = 1'), "learning"),
        ('[[stages]]\nname = "x"\n', "nothing to learn from"),
        ('[[stages]]\nname = "x"\n[[stages.unlabelled]]\nfiles = ["t.txt"]\n', "no teacher"),
        (STAGE.replace('files = ["a.tsv"]', 'files = ["a.tsv"]\nlabels = { bad = "worse" }'), "worse"),
        ("= 3", "run.toml"),
    ],
)
def test_a_wrong_configuration_says_what(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_config(config(tmp_path, text))


def test_the_example_of_the_page_is_a_configuration(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "train.md").read_text()
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "run.toml").write_text(example)
    found = read_config(tmp_path / "run.toml")
    assert [stage.name for stage in found.stages] == ["english", "transfer"]
    assert found.stages[0].labelled[0].labels == {"neg": "negative", "pos": "positive", "neu": "neutral"}


@pytest.mark.parametrize("kind", [TrainConfig, Stage, Labelled, Pairs, Unlabelled])
def test_every_field_is_on_the_page(kind: type[msgspec.Struct]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "train.md").read_text()
    title = {TrainConfig: "the run", Stage: "a stage"}.get(kind, f"`{kind.__name__.lower()}`")
    (table,) = re.findall(rf"^\| field of {title} .*\n((?:\|.*\n)+)", page, re.MULTILINE)
    named = set(re.findall(r"`(\w+)`", table))
    own_tables = {"labelled", "pairs", "unlabelled", "stages"} if kind in (TrainConfig, Stage) else set()
    missing = set(kind.__struct_fields__) - named - own_tables - ({"name"} if kind is Stage else set())
    assert not missing


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="name a training configuration"):
        read_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", 'label\ttext\nnegative\tsaid "so", twice\n'),
        ("a.csv", 'label,text\r\nnegative,"said ""so"", twice"\r\n'),
        ("a.jsonl", '{"label": "negative", "text": "said \\"so\\", twice"}\n\n'),
    ],
)
def test_three_formats_say_the_same(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    number = 1 if name.endswith("jsonl") else 2
    assert list(rows(tmp_path / name, ["text", "label"])) == [(number, ['said "so", twice', "negative"])]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"label\tword\n", "no column 'text'"),
        ("a.tsv", b"text\tlabel\nonly one\n", "line 2: 1 columns"),
        ("a.csv", b'text,label\n"open\n', "a.csv"),
        ("a.jsonl", b'{"text": "x"}\n', "line 1"),
        ("a.jsonl", b"not json\n", "line 1"),
        ("a.tsv", b"\xff\xfe\n", "not UTF-8"),
    ],
)
def test_a_damaged_table_names_its_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError, match=message):
        list(rows(tmp_path / name, ["text", "label"]))


def test_labelled_texts_are_cleaned_and_distinct(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(
        THREE
        + r"4	positive	it\u2019s &amp; was @someone https://t.co/x"
        + "\n5\tneutral\tlovely\n6\tneutral\tNot Available\n"
    )
    found = read_labelled(Labelled(files=["*.tsv"], text=2, label=1), tmp_path)
    assert [one.text for one in found] == ["awful", "it opens at nine", "lovely", "it’s & was @user http"]
    assert [one.label for one in found] == [0, 1, 2, 2]


def test_texts_that_the_model_is_measured_with_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(THREE + "4\tneutral\tsee   @other\n")
    (tmp_path / "val.txt").write_text("see @user\n")
    found = read_labelled(Labelled(files=["a.tsv"], text=2, label=1, without=["val.txt"]), tmp_path)
    assert len(found) == 3


def test_labels_are_mapped_skipped_or_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(THREE + "4\tbad\tboo\n5\tmixed\thm\n")
    source = Labelled(files=["a.tsv"], text=2, label=1, labels={"bad": "negative"}, skip=["mixed"])
    assert [one.label for one in read_labelled(source, tmp_path)] == [0, 1, 2, 0]
    with pytest.raises(ModelError, match="line 4: label 'bad' is not one of negative, neutral, positive; map it"):
        read_labelled(Labelled(files=["a.tsv"], text=2, label=1), tmp_path)


def test_an_empty_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(THREE.replace("neutral", "negative"))
    with pytest.raises(ModelError, match="no text is neutral"):
        read_labelled(Labelled(files=["a.tsv"], text=2, label=1), tmp_path)


def test_a_pattern_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no file matches"):
        read_labelled(Labelled(files=["none*.tsv"]), tmp_path)


def test_pairs_of_languages_are_found_by_their_names(tmp_path: Path) -> None:
    for language, line in {"deu": "Hallo", "fra": "Salut"}.items():
        (tmp_path / f"x.{language}-eng.{language}").write_text(f"{line}\n")
        (tmp_path / f"x.{language}-eng.eng").write_text("Hello\n")
    source = Pairs(english="x.{language}-eng.eng", other="x.{language}-eng.{language}")
    assert read_pairs(source, tmp_path) == [("Hello", "Hallo"), ("Hello", "Salut")]
    (tmp_path / "x.fra-eng.eng").write_text("Hello\nagain\n")
    with pytest.raises(ModelError, match="has 1 lines"):
        read_pairs(source, tmp_path)


def test_the_held_out_part_depends_on_the_text_alone() -> None:
    texts = [f"text number {number}" for number in range(4000)]
    held = [text for text in texts if is_held_out(text, 8)]
    assert 400 < len(held) < 600
    assert held == [text for text in reversed(texts) if is_held_out(text, 8)][::-1]
    assert not any(is_held_out(text, 0) for text in texts)


def test_a_sample_is_the_same_for_the_same_seed() -> None:
    assert sample(list(range(100)), 10, 1) == sample(list(range(100)), 10, 1) != sample(list(range(100)), 10, 2)
    assert sample([1, 2], 5, 1) == [1, 2]


def test_the_log_mix_of_a_set_is_its_class_mix() -> None:
    texts = [LabelledText("a", 0), LabelledText("b", 1), LabelledText("c", 1), LabelledText("d", 2)]
    examples = of_labelled(texts, smoothing=0.3, weight=2.0)
    assert np.allclose(np.exp(examples.log_mix[0]), [0.25, 0.5, 0.25])
    assert np.allclose(examples.targets[0], [0.8, 0.1, 0.1])
    assert np.allclose(examples.weights, 2.0)


def test_the_surest_come_in_equal_numbers() -> None:
    dice = np.random.default_rng(3)
    posterior = dice.dirichlet([0.5, 4.0, 1.0], 3000)  # a lopsided pool
    logs = np.log(posterior).astype(np.float32)
    chosen = surest_of_each_class(logs, 0.3)
    counts = np.bincount(logs[chosen].argmax(1), minlength=3)
    assert counts.max() <= 300
    assert counts[1] == counts[2] >= 100
    neutral = logs.argmax(1) == 1
    assert logs[chosen][:, 1].max() == logs[neutral][:, 1].max()


def test_a_stage_is_built_from_labels_and_a_teacher(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(THREE)
    (tmp_path / "p.tsv").write_text("lovely\tadorável\nawful\thorrível\n")
    (tmp_path / "u.txt").write_text("um\ndois\num\n")
    asked: list[str] = []

    def teacher(texts: Sequence[str]) -> tuple[Float32, Float32]:
        asked.extend(texts)
        logs = np.log(np.tile(np.array([0.2, 0.2, 0.6], np.float32), (len(texts), 1)))
        return logs, np.zeros((len(texts), 4), np.float32)

    stage = Stage(
        name="s",
        teacher=["t"],
        labelled=[Labelled(files=["a.tsv"], text=2, label=1)],
        pairs=[Pairs(files=["p.tsv"], both_sides=0.5)],
        unlabelled=[Unlabelled(files=["u.txt"], harden=2.0)],
    )
    examples = build(stage, tmp_path, 0, teacher, with_vectors=False)
    assert examples.texts[:5] == ["awful", "it opens at nine", "lovely", "adorável", "horrível"]
    assert examples.texts[6:] == ["um", "dois"]
    assert asked == ["lovely", "awful", "um", "dois"]
    assert np.allclose(examples.targets[3], [0.2, 0.2, 0.6], atol=1e-5)
    assert np.allclose(examples.targets[-1], np.array([0.04, 0.04, 0.36]) / 0.44, atol=1e-5)
    assert not examples.log_mix[3:].any()


def test_unlabelled_texts_come_file_by_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x @one\n\nx @two\n")
    (tmp_path / "b.jsonl").write_text('{"text": "y"}\n')
    assert read_unlabelled(Unlabelled(files=["a.txt"]), tmp_path, 8) == [["x @user"]]
    assert read_unlabelled(Unlabelled(files=["b.jsonl"], column="text"), tmp_path, 8) == [["y"]]


def test_texts_that_are_measured_on_are_not_learned_from_without_labels_either(tmp_path: Path) -> None:
    texts = [f"text number {n}" for n in range(64)]
    (tmp_path / "a.txt").write_text("\n".join(texts))
    (tmp_path / "val.txt").write_text("Text number 7\ntext number 7\n")
    every = Unlabelled(files=["a.txt"])
    (found,) = read_unlabelled(every, tmp_path, 8)
    assert found == texts
    (found,) = read_unlabelled(msgspec.structs.replace(every, hold_out=True, without=["val.txt"]), tmp_path, 8)
    assert found == [text for text in texts if not is_held_out(text, 8) and text != "text number 7"]
    assert len(found) < 63


def test_a_stage_can_be_the_average_of_others_and_have_its_own_prefix(tmp_path: Path) -> None:
    soup = '[[stages]]\nname = "soup"\nstart = ["english", "english"]\n[[stages]]\nname = "bare"\nprefix = ""\n'
    found = read_config(config(tmp_path, STAGE + soup + 'start = ["english", "soup"]\n'))
    assert [stage.name for stage in found.stages] == ["english", "soup", "bare"]
    assert [prefix_of(found, name) for name in ("english", "soup", "bare")] == [None, None, ""]
