"""Trust on the API: of the model that judges, with an ETag, and never in the way of the page."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from pipeline.dashboard.app import create_app
from pipeline.dashboard.trust import TrustBook
from pipeline.errors import ModelError
from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.trust.table import (
    FILE,
    Evidence,
    LanguageTrust,
    Level,
    Number,
    Source,
    TrustTable,
    unknown,
    write,
)
from pipeline.settings import Settings, load_settings

SHIPPED = load_settings().model_path
RULE = ModelFolder(SHIPPED, check_card=False).facts.rule.name
NOW = 1_700_000_000.0


def one(tag: str, level: Level, source: Source, score: float) -> LanguageTrust:
    return LanguageTrust(
        language=tag,
        level=level,
        source=source,
        macro_f1=Number(score, score - 0.05, score + 0.05),
        in_words="in words",
        reasons=("because",),
        evidence=Evidence(seen=True, agreement=Number(0.9, 0.85, 0.93), sentences=240),
    )


def put(path: Path) -> ModelFolder:
    """A model folder with a table of two languages."""
    shutil.copytree(SHIPPED, path)
    folder = ModelFolder(path, check_card=False)
    table = TrustTable(
        model=folder.version,
        rule=folder.facts.rule.name,
        data="a set",
        worst="pt",
        fit=None,
        languages=(
            one("en", "high", "measured", 0.74),
            one("pt", "fair", "estimated", 0.62),
            unknown("und", Evidence(seen=False), "no"),
        ),
        other=one("*", "low", "estimated", 0.3),
    )
    write(folder, table)
    return ModelFolder(path, check_card=False)


class Clickhouse:
    """A client that knows which model judged last."""

    def __init__(self, model: str, rule: str = f"{RULE}+accept-0.1") -> None:
        self.model = model
        self.rule = rule
        self.asked = 0

    def execute(
        self, query: str, params: Mapping[str, Any] | None = None, *, settings: Mapping[str, Any] | None = None
    ) -> Sequence[tuple[Any, ...]]:
        self.asked += 1
        return [(1 if self.model else 0, self.model, self.rule)]


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return put(tmp_path / "model")


def settings(folder: Path, models_dir: Path | None = None) -> Settings:
    return Settings(
        model_path=folder,
        models_dir=models_dir or folder.parent / "none",
        clickhouse_url=SecretStr("clickhouse://nobody@127.0.0.1:1/nothing"),
        api_token=SecretStr("a-token-of-a-test"),
    )


@pytest.fixture
def client(folder: ModelFolder) -> TestClient:
    app = create_app(settings(folder.path))
    return TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": "Bearer a-token-of-a-test"})


def test_the_api_answers_without_clickhouse_and_knows_what_a_client_has(
    client: TestClient, folder: ModelFolder
) -> None:
    found = client.get("/api/v1/trust")
    assert found.status_code == 200
    data = found.json()
    assert data["model"] == folder.version
    assert [(row["language"], row["level"], row["source"]) for row in data["languages"]] == [
        ("en", "high", "measured"),
        ("pt", "fair", "estimated"),
        ("und", "unknown", "none"),
    ]
    assert data["languages"][1]["macro_f1"] == {"value": 0.62, "low": 0.57, "high": 0.67}
    assert data["languages"][1]["evidence"]["agreement"]["value"] == 0.9
    assert data["languages"][2]["macro_f1"] is None
    assert data["other"]["level"] == "low"
    assert set(data["meaning"]) == {"high", "fair", "low", "unknown"}
    tag = found.headers["etag"]
    assert folder.version in tag
    again = client.get("/api/v1/trust", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_the_api_needs_the_token_and_says_its_types(client: TestClient) -> None:
    assert client.get("/api/v1/trust", headers={"Authorization": "Bearer wrong"}).status_code == 401
    schema = client.get("/api/v1/openapi.json").json()
    assert "/api/v1/trust" in schema["paths"]
    assert "trust" in schema["components"]["schemas"]["LanguageRow"]["required"]


def test_a_damaged_table_is_a_503_that_says_what_to_do(client: TestClient, folder: ModelFolder) -> None:
    (folder.path / FILE).write_text("{")
    found = client.get("/api/v1/trust")
    assert found.status_code == 503
    assert "trust.json is damaged" in found.json()["detail"]
    assert "babelwatch model trust" in found.json()["detail"]


def test_without_a_table_every_language_is_unknown(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(SHIPPED, plain, ignore=shutil.ignore_patterns(FILE, "config.json"))
    text = (put(tmp_path / "model").path / "config.json").read_text()
    (plain / "config.json").write_text(text.replace(f'"{FILE}"', '"another.json"'))
    found = TrustBook(settings(plain)).configured()
    assert found.find("en").level == "unknown"
    assert "model trust --write" in found.other.reasons[0]


def test_the_model_that_judged_last_counts_not_the_one_of_the_settings(tmp_path: Path, folder: ModelFolder) -> None:
    now = 100.0
    book = TrustBook(settings(tmp_path / "elsewhere", models_dir=folder.path.parent), clock=lambda: now)
    database = Clickhouse(folder.version)
    assert book.current(database, "default", NOW).find("pt").level == "fair"
    assert book.marks(database, "default", NOW).of("en").level == "high"
    assert database.asked == 1
    now += 60
    database.rule = "another-rule-abcdef"
    assert book.current(database, "default", NOW).find("en").level == "unknown"
    now += 60
    database.model = "gone@12345678"
    found = book.current(database, "default", NOW)
    assert database.asked == 3
    assert found.find("en").level == "unknown"
    assert "gone@12345678" in found.other.reasons[0]


def test_a_new_table_is_seen_without_a_restart(folder: ModelFolder) -> None:
    book = TrustBook(settings(folder.path))
    table = book.configured()
    assert table.worst == "pt"
    write(folder, TrustTable(**{name: getattr(table, name) for name in table.__struct_fields__} | {"worst": "en"}))
    assert book.configured().worst == "en"


def test_a_page_is_shown_without_trust_when_the_table_is_damaged(folder: ModelFolder) -> None:
    (folder.path / FILE).write_text("{")
    book = TrustBook(settings(folder.path))
    assert book.marks(Clickhouse(""), "default", NOW).of("en").level == "unknown"
    with pytest.raises(ModelError, match="is damaged"):
        book.current(Clickhouse(""), "default", NOW)
