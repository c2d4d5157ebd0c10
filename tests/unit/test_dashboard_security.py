"""The guard in front of page and API."""

import re
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from pipeline.dashboard.security import HEADERS, Guard
from pipeline.errors import SettingsError
from pipeline.settings import Settings

TOKEN = "correct-horse-battery-staple"


def settings(**more: object) -> Settings:
    return Settings(api_token=TOKEN, dashboard_port=8600, **more)  # type: ignore[arg-type]


@pytest.fixture
def client() -> Iterator[TestClient]:
    routes = [
        Route(path, lambda _: PlainTextResponse("inside")) for path in ("/", "/api/v1/x", "/v1/mentions", "/health")
    ]
    app = Guard(Starlette(routes=routes), settings(dashboard_hosts="watch.example, other.example"))
    with TestClient(app, base_url="http://127.0.0.1:8600", follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/api/v1/x", "/api/v1/openapi.json", "/metrics"])
def test_without_the_token_nothing_is_said(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 401
    assert "inside" not in answer.text
    assert TOKEN not in answer.text


@pytest.mark.parametrize("value", [f"Bearer {TOKEN}", f"bearer {TOKEN}"])
def test_bearer(client: TestClient, value: str) -> None:
    assert client.get("/api/v1/x", headers={"Authorization": value}).text == "inside"


@pytest.mark.parametrize("value", ["Bearer wrong", "Bearer ", f"Basic {TOKEN}", TOKEN, "Bearer \u00e9"])
def test_wrong_bearer(client: TestClient, value: str) -> None:
    assert client.get("/api/v1/x", headers={"Authorization": value.encode("latin-1")}).status_code == 401


def test_the_address_with_the_token_sets_a_cookie_and_loses_the_token(client: TestClient) -> None:
    answer = client.get(f"/?window=3600&token={TOKEN}&brand=lumora")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?window=3600&brand=lumora"
    cookie = answer.headers["set-cookie"]
    assert re.match(r"babelwatch_8600=[0-9a-f]{64};", cookie)
    assert TOKEN not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert client.get("/").text == "inside"
    assert client.get("/api/v1/x").text == "inside"


def test_a_wrong_token_in_the_address_sets_nothing(client: TestClient) -> None:
    answer = client.get("/?token=wrong")
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_a_token_in_the_address_of_the_api_does_not_count(client: TestClient) -> None:
    assert client.get(f"/api/v1/x?token={TOKEN}").status_code == 401


def test_the_source_guards_itself_and_health_holds_no_data(client: TestClient) -> None:
    assert client.get("/v1/mentions").text == "inside"
    assert client.get("/health").text == "inside"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8600", True),
        ("localhost:8600", True),
        ("LOCALHOST", True),
        ("[::1]:8600", True),
        ("192.168.1.5", True),
        ("watch.example:443", True),
        ("other.example", True),
        ("evil.example", False),
        ("evil.example:8600", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_a_rebound_name_is_refused(client: TestClient, host: str, allowed: bool) -> None:
    answer = client.get("/api/v1/x", headers={"Host": host, "Authorization": f"Bearer {TOKEN}"})
    assert (answer.status_code == 200) == allowed
    if not allowed:
        assert answer.status_code == 421


def test_every_answer_carries_the_policy(client: TestClient) -> None:
    for answer in (client.get("/"), client.get("/health"), client.get("/", headers={"Host": "evil.example"})):
        for name, value in HEADERS.items():
            assert answer.headers[name] == value
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy


def test_without_a_token_there_is_no_dashboard() -> None:
    with pytest.raises(SettingsError, match="BABELWATCH_API_TOKEN"):
        Guard(Starlette(), Settings(api_token=None))
