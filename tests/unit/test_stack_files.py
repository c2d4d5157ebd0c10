"""Secrets, run.json, discovery, and the environment of children."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.embedded.environment import child_environment
from pipeline.embedded.files import RUN, SECRETS, Run, Secrets, WorkerRun, remove_run
from pipeline.embedded.processes import identity
from pipeline.errors import EmbeddedServiceError
from pipeline.local import discover
from pipeline.settings import Settings, load_settings

MakeSettings = Callable[..., Settings]


def a_run(**changes: Any) -> Run:
    facts: dict[str, Any] = {
        "pid": os.getpid(),
        "identity": identity(os.getpid()),
        "started_at": "2026-01-01T00:00:00+00:00",
        "kafka_brokers": "127.0.0.1:1234",
        "kafka_embedded": True,
        "clickhouse_url": "clickhouse://babelwatch:pass-of-clickhouse@127.0.0.1:9000/babelwatch",
        "clickhouse_embedded": True,
        "clickhouse_http_url": "http://127.0.0.1:8123",
        "api_token": "token-of-the-api",
        "author_key": "key-of-authors",
        "dashboard_url": "http://127.0.0.1:8700",
        "dashboard_port": 8700,
        "processes": {"sink": 5},
        "workers": {"sink": WorkerRun("sink", 5, "http://127.0.0.1:1")},
    }
    return Run(**(facts | changes))


def test_secrets_are_made_once_private_and_long(tmp_path: Path) -> None:
    made = Secrets.of(tmp_path)
    assert Secrets.of(tmp_path) == made
    assert (tmp_path / SECRETS).stat().st_mode & 0o777 == 0o600
    values = [made.clickhouse_password, made.api_token, made.author_key]
    assert len(set(values)) == 3
    assert all(len(value) >= 32 for value in values)
    assert not any(value in repr(made) for value in values)


def test_secrets_that_others_can_read_are_closed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Secrets.of(tmp_path)
    (tmp_path / SECRETS).chmod(0o644)
    Secrets.of(tmp_path)
    assert (tmp_path / SECRETS).stat().st_mode & 0o777 == 0o600
    assert "mode is 600 again" in caplog.text


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"clickhouse_password": 1}', "\x00"])
def test_damaged_secrets_are_never_replaced_silently(tmp_path: Path, content: str) -> None:
    (tmp_path / SECRETS).write_text(content)
    with pytest.raises(EmbeddedServiceError, match="damaged"):
        Secrets.of(tmp_path)
    assert (tmp_path / SECRETS).read_text() == content


def test_a_run_is_private_and_hides_its_secrets(tmp_path: Path) -> None:
    run = a_run()
    run.write(tmp_path)
    assert (tmp_path / RUN).stat().st_mode & 0o777 == 0o600
    assert Run.read(tmp_path) == run
    for secret in ("pass-of-clickhouse", "token-of-the-api", "key-of-authors"):
        assert secret not in repr(run)
    remove_run(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_run_of_a_dead_stack_is_none(tmp_path: Path) -> None:
    a_run(identity="of:another").write(tmp_path)
    assert Run.read(tmp_path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"workers": []}', '{"workers": {"sink": {}}}'])
def test_a_damaged_run_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / RUN).write_text(content)
    assert Run.read(tmp_path) is None


def test_discover_fills_what_is_not_set(tmp_path: Path) -> None:
    a_run().write(tmp_path)
    found = discover(load_settings(data_dir=tmp_path))
    assert found.kafka_brokers == "127.0.0.1:1234"
    assert found.require_clickhouse().endswith("pass-of-clickhouse@127.0.0.1:9000/babelwatch")
    assert found.api_token is not None
    assert found.api_token.get_secret_value() == "token-of-the-api"
    assert found.author_key is not None
    assert found.dashboard_port == 8700


def test_discover_leaves_what_is_set(tmp_path: Path) -> None:
    a_run().write(tmp_path)
    given = load_settings(
        data_dir=tmp_path,
        kafka_brokers="other:9092",
        clickhouse_url="clickhouse://a:b@other:9000/x",
        api_token="mine",
        dashboard_port=1,
    )
    found = discover(given)
    assert found.kafka_brokers == "other:9092"
    assert found.require_clickhouse() == "clickhouse://a:b@other:9000/x"
    assert found.api_token is not None
    assert found.api_token.get_secret_value() == "mine"
    assert found.dashboard_port == 1


def test_discover_without_a_stack_changes_nothing(tmp_path: Path) -> None:
    settings = load_settings(data_dir=tmp_path / "none")
    assert discover(settings) == settings


def test_children_read_back_the_same_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(
        data_dir=tmp_path,
        kafka_brokers="k:9092",
        clickhouse_url="clickhouse://a:b%40c@h:9000/x",
        api_token="tök en",
        keep_author_names=True,
        batch_within_s=0.125,
        threads=3,
        clickhouse_cluster="",
    )
    environment = child_environment(settings)
    assert all(isinstance(value, str) for value in environment.values())
    for name in [n for n in os.environ if n.startswith("BABELWATCH_")]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    child = load_settings()
    assert (
        child.model_dump()
        == settings.model_copy(
            update={
                name: getattr(settings, name).absolute()
                for name in ("data_dir", "brands_file", "model_path", "cache_dir")
            }
        ).model_dump()
    )


def test_children_do_not_inherit_what_the_parent_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKHOUSE_URL", "clickhouse://from:environment@h:9000/x")
    settings = load_settings(clickhouse_url=None)
    assert "CLICKHOUSE_URL" not in child_environment(settings)
    assert "PATH" in child_environment(settings)


def test_run_json_is_json(tmp_path: Path) -> None:
    a_run().write(tmp_path)
    assert json.loads((tmp_path / RUN).read_text())["workers"]["sink"]["restarts"] == 0
