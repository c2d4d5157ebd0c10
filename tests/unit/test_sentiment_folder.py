"""A model folder is verified before it is run."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.sentiment.folder import CARD, CHECKED, CONFIG, HEAD, WEIGHTS, ModelFolder
from pipeline.sentiment.model import load_model
from pipeline.settings import PACKAGE, load_settings
from tests.sentiment_folder import of_format_1

SHIPPED = PACKAGE / "sentiment" / "models" / "quality"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    return folder


def edit_config(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    config = json.loads((folder / CONFIG).read_text())
    change(config)
    (folder / CONFIG).write_text(json.dumps(config))


@pytest.mark.parametrize(("name", "most"), [("quality", 32_000_000), ("fast", 12_000_000)])
def test_a_shipped_folder_is_whole_and_small_enough(name: str, most: int) -> None:
    folder = ModelFolder(SHIPPED.parent / name)
    assert folder.version.startswith(f"{name}@")
    assert folder.version.endswith(folder.facts.files[WEIGHTS].sha256[:8])
    assert sum(path.stat().st_size for path in folder.path.iterdir()) < most
    assert folder.version in (folder.path / CARD).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*CHECKED, CONFIG])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"cannot read {name}") as caught:
        ModelFolder(copy)
    assert "BABELWATCH_MODEL_PATH" in str(caught.value)


@pytest.mark.parametrize("name", CHECKED)
def test_a_flipped_bit_is_found(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(ModelError, match=f"{name} is damaged"):
        ModelFolder(copy)


def test_a_truncated_file_and_a_pointer_in_its_place_are_found(copy: Path) -> None:
    size = (copy / WEIGHTS).stat().st_size
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:-1])
    with pytest.raises(ModelError, match=f"{size - 1:,} bytes, expected {size:,}"):
        ModelFolder(copy)
    (copy / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(ModelError, match="43 bytes, expected"):
        ModelFolder(copy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("babelwatch"), "babelwatch"),
        (lambda c: c["babelwatch"].update(format=3), "format 3 is not known"),
        (lambda c: c["babelwatch"]["files"].pop(HEAD), "no checksum of head"),
        (lambda c: c.update(id2label={"0": "positive", "1": "neutral", "2": "negative"}), "labels must be"),
        (lambda c: c["babelwatch"]["embeddings"].update(sha256="0" * 64), "other embeddings"),
        (lambda c: c.update(hidden_size=768), "hidden_size 768"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    edit_config(copy, change)
    with pytest.raises(ModelError, match=message):
        load_model(load_settings(model_path=copy))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["babelwatch"].update(class_prior=[0.5, 0.5, 0.0]), "class_prior"),
        (lambda c: c["babelwatch"].update(rule="other-v9"), "rule 'other-v9'"),
    ],
)
def test_a_config_of_format_1_that_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    folder = of_format_1(tmp_path / "model", (0.15, 0.45, 0.40))
    edit_config(folder, change)
    with pytest.raises(ModelError, match=message):
        load_model(load_settings(model_path=folder))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 20_000])
def test_a_config_that_is_not_json_is_refused(copy: Path, data: bytes) -> None:
    (copy / CONFIG).write_bytes(data)
    with pytest.raises(ModelError, match=r"config\.json"):
        ModelFolder(copy)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot read"):
        ModelFolder(tmp_path / "nowhere")
