"""``POST /v1/mentions`` against a real broker: what is answered is what is in the topic."""

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.ports import free_port
from pipeline.kafka.admin import ensure_topics
from pipeline.settings import Settings
from pipeline.sources.http import build_router
from schemas.ids import mention_id
from tests.freezing import frozen
from tests.integration.topic_support import of_source

TOKEN = "a test's token"
PATH = "/v1/mentions"


def app_of(settings: Settings) -> FastAPI:
    app = FastAPI()
    app.include_router(build_router(settings))
    return app


def client_of(settings: Settings, token: str | None = TOKEN) -> TestClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(app_of(settings), headers=headers)


def mention(source: str, n: int = 0, **more: Any) -> dict[str, Any]:
    return {"source": source, "id": f"m{n}", "text": f"text {n}", "published_at": "2026-01-01T00:00:00Z"} | more


@pytest.fixture
def source() -> str:
    return f"http-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def settings(kafka: str, make_settings: Callable[..., Settings]) -> Settings:
    made = make_settings(kafka_brokers=kafka, api_token=TOKEN)
    ensure_topics(made)
    return made


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with client_of(settings) as client:
        yield client


@pytest.fixture
def nowhere(make_settings: Callable[..., Settings]) -> Settings:
    """A broker that is not there: whatever is refused before Kafka matters needs none."""
    return make_settings(
        kafka_brokers=f"127.0.0.1:{free_port()}",
        api_token=TOKEN,
        http_confirm_timeout_s=1.0,
        http_max_items=5,
        http_burst=5,
        http_rate_per_s=0.01,
        http_max_body_bytes=2048,
    )


def test_one_mention_is_in_kafka_when_it_is_answered(client: TestClient, settings: Settings, source: str) -> None:
    body = json.dumps(mention(source, unknown={"kept": [1.0]}), indent=1).encode()
    answer = client.post(PATH, content=body)
    ident = mention_id("default", source, "m0", None, None, "")
    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 1,
        "refused": 0,
        "unconfirmed": 0,
        "results": [{"index": 0, "status": "accepted", "mention_id": ident}],
    }
    assert of_source(settings, source) == [(ident.encode(), body)]


def test_a_batch_is_answered_item_by_item(client: TestClient, settings: Settings, source: str) -> None:
    good = [json.dumps(mention(source, n)) for n in range(3)]
    deleted = json.dumps(
        {"type": "mention_deleted", "source": source, "id": "m0", "deleted_at": "2026-01-02T00:00:00Z"}
    )
    items = [
        good[0],
        json.dumps(mention(source, 7, text="")),
        '{"text": "\\ud800"}',
        good[1],
        "[" * 5000 + "]" * 5000,
        json.dumps(mention(source, 8, text="x" * 25_000)),
        deleted,
        json.dumps(mention(source, 9, padding="x" * (1 << 20))),
        good[2],
        "NaN",
    ]
    answer = client.post(PATH, content="[" + ", ".join(items) + "]")
    assert answer.status_code == 207
    got = [(r["index"], r["status"], r.get("error", {}).get("reason")) for r in answer.json()["results"]]
    assert got == [
        (0, "accepted", None),
        (1, "refused", "invalid"),
        (2, "refused", "not_json"),
        (3, "accepted", None),
        (4, "refused", "invalid"),
        (5, "refused", "text_too_long"),
        (6, "accepted", None),
        (7, "refused", "too_large"),
        (8, "accepted", None),
        (9, "refused", "not_json"),
    ]
    assert sorted(value.decode() for _, value in of_source(settings, source)) == sorted([*good, deleted])


def test_ndjson(client: TestClient, settings: Settings, source: str) -> None:
    lines = "".join(json.dumps(mention(source, n)) + "\n" for n in range(10))
    answer = client.post(PATH, content=lines, headers={"Content-Type": "application/x-ndjson"})
    assert (answer.status_code, answer.json()["accepted"]) == (202, 10)
    assert len(of_source(settings, source)) == 10


def test_many_clients_at_once_lose_nothing(client: TestClient, settings: Settings, source: str) -> None:
    def post(worker: int) -> int:
        batch = [mention(source, worker * 100 + n) for n in range(100)]
        status: int = client.post(PATH, json=batch).status_code
        return status

    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(post, range(20))) == {202}
    keys = {key for key, _ in of_source(settings, source)}
    assert keys == {mention_id("default", source, f"m{n}", None, None, "").encode() for n in range(2000)}


@pytest.mark.parametrize(
    ("content", "status", "reason"),
    [
        (b"", 400, "not_json"),
        (b"hello", 400, "not_json"),
        (b"\xff\xfe", 400, "not_json"),
        (b"[]", 400, "empty"),
        (b"[" * 2000, 400, "not_json"),
        (b"[1,2,3,4,5,6]", 413, "too_many"),
        (b"x" * 2049, 413, "too_large"),
    ],
)
def test_bodies_that_are_refused_as_a_whole(nowhere: Settings, content: bytes, status: int, reason: str) -> None:
    with client_of(nowhere) as client:
        answer = client.post(PATH, content=content)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (status, reason)


def test_nothing_valid_is_400_with_reasons(nowhere: Settings) -> None:
    with client_of(nowhere) as client:
        answer = client.post(PATH, json=[{}, 7])
    assert answer.status_code == 400
    assert [r["error"]["reason"] for r in answer.json()["results"]] == ["invalid", "invalid"]


def test_a_body_without_a_length_is_cut_off_at_the_limit(nowhere: Settings) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    with client_of(nowhere) as client:
        answer = client.post(PATH, content=endless())
    assert answer.status_code == 413


def test_a_compressed_body_is_refused(nowhere: Settings) -> None:
    with client_of(nowhere) as client:
        answer = client.post(PATH, content=b"{}", headers={"Content-Encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer ", "Basic YTpi", "Bearer ünïcode".encode()])
def test_without_the_token_nothing_is_read(nowhere: Settings, header: str | bytes | None) -> None:
    with client_of(nowhere, token=None) as client:
        headers = {b"Authorization": header if isinstance(header, bytes) else header.encode()} if header else {}
        answer = client.post(PATH, json=mention("x"), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in answer.text


def test_a_server_without_a_token_takes_nothing(make_settings: Callable[..., Settings]) -> None:
    with client_of(make_settings(kafka_brokers="127.0.0.1:1", api_token=None), token="") as client:
        assert client.post(PATH, json=mention("x"), headers={"Authorization": "Bearer "}).status_code == 401


def test_too_many_are_told_when_to_come_back(nowhere: Settings) -> None:
    with client_of(nowhere) as client:
        assert client.post(PATH, json=[{}] * 4).status_code == 400
        answer = client.post(PATH, json=[{}] * 4)
    assert answer.status_code == 429
    assert 250 <= int(answer.headers["Retry-After"]) <= 400  # 4 - what is left, at one in 100 s


def test_no_broker_is_503_and_nothing_is_accepted(nowhere: Settings) -> None:
    with client_of(nowhere) as client:
        answer = client.post(PATH, json=mention("x"))
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert [r["status"] for r in answer.json()["results"]] == ["unconfirmed"]
    assert nowhere.require_kafka() not in answer.text


@pytest.mark.embedded
def test_a_broker_that_hangs_is_503_and_then_works_again(
    tmp_path: Path, make_settings: Callable[..., Settings], source: str
) -> None:
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    try:
        settings = make_settings(kafka_brokers=broker.address, api_token=TOKEN, http_confirm_timeout_s=2.0)
        ensure_topics(settings)
        with client_of(settings) as client:
            assert client.post(PATH, json=mention(source, 1)).status_code == 202
            with frozen(broker.pid):
                hung = client.post(PATH, json=[mention(source, 2), {}])
            assert hung.status_code == 503
            assert [r["status"] for r in hung.json()["results"]] == ["unconfirmed", "refused"]
            again = client.post(PATH, json=mention(source, 2))
            assert again.status_code == 202
        kept = {key for key, _ in of_source(settings, source)}
        assert kept == {mention_id("default", source, f"m{n}", None, None, "").encode() for n in (1, 2)}
    finally:
        broker.stop()


def test_openapi_carries_the_schema_of_a_mention(nowhere: Settings) -> None:
    operation = app_of(nowhere).openapi()["paths"][PATH]["post"]
    assert set(operation["responses"]) >= {"202", "207", "400", "401", "413", "429", "503"}
    assert operation["security"]
    content = operation["requestBody"]["content"]["application/json"]
    jsonschema.Draft202012Validator.check_schema(content["schema"])
    validator = jsonschema.Draft202012Validator(content["schema"])
    validator.validate(content["example"])
    validator.validate(content["example"][0])
    assert not validator.is_valid({"source": "x", "published_at": "2026-01-01T00:00:00Z"})
    answer = jsonschema.Draft202012Validator(operation["responses"]["202"]["content"]["application/json"]["schema"])
    answer.validate({"accepted": 1, "refused": 0, "unconfirmed": 0, "results": [{"index": 0, "status": "accepted"}]})
    assert not answer.is_valid({})
