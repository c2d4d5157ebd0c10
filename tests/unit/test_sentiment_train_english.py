"""Labels in another language than English are refused before anything is trained on them."""

from pathlib import Path

import pytest

from pipeline.errors import ModelError
from pipeline.sentiment.training.config import Labelled, Stage
from pipeline.sentiment.training.english import MIN_DETERMINED, require_english
from pipeline.sentiment.training.examples import build

NAMES = ("the neighbours", "my two sisters", "the people at work", "our teachers", "the drivers")
ENGLISH = [f"I have heard that {who} were very {how} yesterday" for who in NAMES for how in ("happy", "angry", "quiet")]
NOMES = ("os vizinhos", "as minhas irmãs", "as pessoas do trabalho", "os professores", "os motoristas")
PORTUGUESE = [f"Ouvi dizer que {who} estavam muito {how} ontem" for who in NOMES for how in ("bem", "mal", "longe")]
LABELS = ("negative", "neutral", "positive")
SOURCE = Labelled(files=["*.tsv"], text=1, label=0)


def write(path: Path, texts: list[str], times: int, label: str | None = None) -> None:
    lines = [f"{label or LABELS[n % 3]}\t{text} {n}" for n in range(times) for text in texts]
    path.write_text("\n".join(lines) + "\n")


def test_english_passes(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", ENGLISH, 4)
    require_english(SOURCE, tmp_path)


def test_some_texts_in_other_languages_pass(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", [*ENGLISH, PORTUGUESE[0]], 4)
    require_english(SOURCE, tmp_path)


def test_one_file_of_another_language_is_refused_by_name(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", ENGLISH, 20)
    write(tmp_path / "b.tsv", PORTUGUESE, 2)
    with pytest.raises(ModelError, match=r"b\.tsv: 0% of \d+ sampled texts are English.*`unlabelled`"):
        require_english(SOURCE, tmp_path)


def test_a_training_refuses_them(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", PORTUGUESE, 3)
    with pytest.raises(ModelError, match=r"a\.tsv: 0% of"):
        build(Stage(name="s", labelled=[SOURCE]), tmp_path, 8, None, with_vectors=False)


def test_a_mixed_file_is_refused_with_its_share(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", ENGLISH + PORTUGUESE, 4)
    with pytest.raises(ModelError, match=r"a\.tsv: [45]\d% of"):
        require_english(SOURCE, tmp_path)


def test_few_texts_say_nothing_but_many_small_files_do(tmp_path: Path) -> None:
    assert len(PORTUGUESE) < MIN_DETERMINED
    write(tmp_path / "a.tsv", PORTUGUESE, 1)
    require_english(SOURCE, tmp_path)
    write(tmp_path / "b.tsv", PORTUGUESE, 1)
    with pytest.raises(ModelError, match=r"^\*\.tsv: 0% of 30"):
        require_english(SOURCE, tmp_path)


def test_rows_that_are_skipped_are_not_looked_at(tmp_path: Path) -> None:
    write(tmp_path / "a.tsv", PORTUGUESE, 4, "portuguese")
    with (tmp_path / "a.tsv").open("a") as file:
        file.writelines(f"neutral\t{text}\n" for text in ENGLISH)
    require_english(Labelled(files=["a.tsv"], text=1, label=0, skip=["portuguese"]), tmp_path)
    with pytest.raises(ModelError, match="are English"):
        require_english(Labelled(files=["a.tsv"], text=1, label=0, labels={"portuguese": "neutral"}), tmp_path)
