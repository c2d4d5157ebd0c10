"""Options that several commands share: ``--accept-error``, refused before any service is started; ``--model``."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pipeline.cli.demo import command as demo
from pipeline.cli.options import ModelName
from pipeline.cli.up import command as up
from pipeline.cli.worker import command as worker
from pipeline.embedded.environment import child_environment
from pipeline.errors import InputError, ModelError, SettingsError
from pipeline.sentiment.installed import SHIPPED
from pipeline.settings import load_settings
from tests.sentiment_folder import without_abstention


@pytest.mark.parametrize("command", [up, demo])
def test_a_model_that_cannot_abstain_is_said_before_anything_starts(
    command: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BABELWATCH_MODEL_PATH", str(without_abstention(tmp_path / "model")))
    result = CliRunner().invoke(command, ["--accept-error", "0.1"])  # type: ignore[arg-type]
    assert isinstance(result.exception, ModelError)
    assert "no abstention section" in str(result.exception)
    assert result.output == ""


@pytest.mark.parametrize("role", ["language", "sink"])
def test_only_the_sentiment_worker_judges(role: str) -> None:
    result = CliRunner().invoke(worker, [role, "--accept-error", "0.1"])
    assert isinstance(result.exception, InputError)
    assert role in str(result.exception)


def test_the_setting_reaches_child_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    given = child_environment(load_settings(accept_error=0.1, class_mix="on"))
    assert (given["BABELWATCH_ACCEPT_ERROR"], given["BABELWATCH_CLASS_MIX"]) == ("0.1", "on")
    assert "BABELWATCH_ACCEPT_ERROR" not in child_environment(load_settings())
    monkeypatch.setenv("BABELWATCH_ACCEPT_ERROR", "0.1")
    monkeypatch.setenv("BABELWATCH_CLASS_MIX", "on")
    again = load_settings()
    assert (again.accept_error, again.class_mix) == (0.1, "on")


@pytest.mark.parametrize(
    ("name", "value"), [("ACCEPT_ERROR", "0"), ("ACCEPT_ERROR", "1.5"), ("ACCEPT_ERROR", "x"), ("CLASS_MIX", "maybe")]
)
def test_settings_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"BABELWATCH_{name}", value)
    with pytest.raises(SettingsError, match=name.lower()):
        load_settings()


def test_a_model_is_a_path_or_the_name_of_a_shipped_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = ModelName()
    assert kind.convert("fast", None, None) == SHIPPED / "fast"
    assert kind.convert("./fast", None, None) == Path("fast")
    with pytest.raises(ModelError, match="no model is named 'slow': known are"):
        kind.convert("slow", None, None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast").mkdir()
    assert kind.convert("fast", None, None) == Path("fast")
