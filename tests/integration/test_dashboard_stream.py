"""The stream: shared by all browsers, resumes, and says when ClickHouse is away."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_driver import Client
from pydantic import SecretStr

from pipeline.dashboard.database import Database
from pipeline.dashboard.live import Hub
from pipeline.dashboard.trust import TrustBook
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from pipeline.store.queries import View
from tests.browser.stage import TOKEN, dashboard, scored
from tests.freezing import frozen

pytestmark = pytest.mark.embedded
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Event:
    """One server-sent event."""

    def __init__(self, name: str, data: str, ident: str) -> None:
        self.name, self.ident = name, ident
        self.data: Any = json.loads(data)


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Event]:
    """Parse a stream by the rules that matter here; comments are keep-alives."""
    name, data, ident = "", "", ""
    async for line in lines:
        field, _, value = line.partition(": ")
        if line == "" and data:
            yield Event(name, data, ident)
            name, data = "", ""
        elif field == "event":
            name = value
        elif field == "data":
            data = value
        elif field == "id":
            ident = value


async def get(url: str) -> httpx.Response:
    """Ask once, with the token."""
    async with httpx.AsyncClient(headers=HEADERS, timeout=30, trust_env=False) as client:
        return await client.get(url)


async def read_until(url: str, done: Callable[[Event], bool], headers: dict[str, str] | None = None) -> list[Event]:
    """Read the stream until ``done``; 30 s at most."""
    found: list[Event] = []
    async with (
        asyncio.timeout(30),
        httpx.AsyncClient(timeout=30, trust_env=False) as client,
        client.stream("GET", url, headers=HEADERS | (headers or {})) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for event in events(answer.aiter_lines()):
            found.append(event)
            if done(event):
                return found
    return found


async def test_the_stream_begins_with_everything_and_moves(clickhouse_url: str) -> None:
    migrate(clickhouse_url)
    store = MentionStore(connect(clickhouse_url))
    store.write([scored("first")])
    with dashboard(clickhouse_url) as page:
        url = page.url + "/api/v1/stream?window_s=900"
        first = await read_until(url, lambda e: e.name == "tick")
        assert [e.name for e in first] == ["series", "languages", "brands", "summary", "agreement", "mentions", "tick"]
        assert first[5].data["reset"] is True
        assert [m["segments"][0]["text"] for m in first[5].data["added"]] == ["first"]
        resume = {"Last-Event-ID": first[-1].ident}

        store.write([scored("second")])
        second = await read_until(url, lambda e: e.name == "mentions", resume)
        assert second[-1].data["reset"] is False
        assert [m["segments"][0]["text"] for m in second[-1].data["added"]] == ["second"]

        # an id of another process is not trusted
        stranger = await read_until(url, lambda e: e.name == "mentions", {"Last-Event-ID": "deadbeef.1"})
        assert stranger[-1].data["reset"] is True
        assert len(stranger[-1].data["added"]) == 2


async def test_fifty_browsers_cost_no_more_queries_than_one(clickhouse_url: str) -> None:
    migrate(clickhouse_url)
    MentionStore(connect(clickhouse_url)).write([scored("hello")])
    calls = 0

    class Counting(Database):
        async def run(self, work: Callable[[Client], Any]) -> Any:
            nonlocal calls
            calls += 1
            return await super().run(work)

    database = Counting(Settings(clickhouse_url=SecretStr(clickhouse_url), api_token=SecretStr(TOKEN)))
    hub = Hub(database, None, TrustBook(Settings()), every_s=0.05)
    rounds = [0] * 50

    async def browser(number: int) -> None:
        async with contextlib.aclosing(hub.events(View(), None)) as stream:
            async for event in stream:
                if event.event == "tick":
                    rounds[number] += 1
                    if min(rounds) >= 5:
                        return

    try:
        async with asyncio.timeout(60):
            await asyncio.gather(*(browser(n) for n in range(50)))
        assert hub.open_views == 1
        # per round one read, and now and then one of what changes slowly; 50 browsers of their own would need 250
        assert calls <= 2 * (max(rounds) + 1)
    finally:
        await hub.close()
        database.close()


async def test_a_view_that_nobody_looks_at_is_not_read_for_ever(
    clickhouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(clickhouse_url)
    monkeypatch.setattr("pipeline.dashboard.live.LINGER_S", 0.2)
    database = Database(Settings(clickhouse_url=SecretStr(clickhouse_url), api_token=SecretStr(TOKEN)))
    hub = Hub(database, None, TrustBook(Settings()), every_s=0.05)
    try:
        async with contextlib.aclosing(hub.events(View(brand="x"), None)) as stream:
            await anext(stream)
            assert hub.open_views == 1
        async with asyncio.timeout(20):
            while hub.open_views:  # noqa: ASYNC110 - the hub tells nobody that it forgot a view
                await asyncio.sleep(0.05)
    finally:
        await hub.close()
        database.close()


async def test_too_many_different_views_are_refused(clickhouse_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(clickhouse_url)
    monkeypatch.setattr("pipeline.dashboard.live.MAX_VIEWS", 2)
    with dashboard(clickhouse_url) as page:
        async with (
            httpx.AsyncClient(timeout=20, trust_env=False, headers=HEADERS) as client,
            contextlib.AsyncExitStack() as stack,
        ):
            for brand in ("a", "b"):
                answer = await stack.enter_async_context(
                    client.stream("GET", f"{page.url}/api/v1/stream?brand={brand}")
                )
                assert answer.status_code == 200
            refused = await client.get(f"{page.url}/api/v1/stream?brand=c")
            assert refused.status_code == 503
            assert "different views" in refused.json()["detail"]


@pytest.mark.long
@pytest.mark.slow
async def test_a_stopped_clickhouse_is_a_503_and_a_tick_and_passes_by_itself(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as server:
        migrate(server.url)
        MentionStore(connect(server.url)).write([scored("hello")])
        with dashboard(server.url) as page:
            stream = page.url + "/api/v1/stream"
            await read_until(stream, lambda e: e.name == "tick" and e.data["ok"])
            with frozen(server.pid):
                ticks = await read_until(stream, lambda e: e.name == "tick" and not e.data["ok"])
                assert ticks[-1].data["as_of"] <= time.time()
                assert "ClickHouse" in ticks[-1].data["reason"]
                answer = await get(page.url + "/api/v1/summary")
                assert answer.status_code == 503
                assert answer.json()["code"] == "ClickHouseUnavailable"
                assert "babelwatch:" not in answer.text, "no password in the reason"
            await read_until(stream, lambda e: e.name == "tick" and e.data["ok"])
            answer = await get(page.url + "/api/v1/summary")
            assert answer.json()["mood"]["mentions"] == 1


async def test_clickhouse_that_was_never_there_is_no_reason_not_to_start(
    make_settings: Callable[..., Settings],
) -> None:
    with dashboard("clickhouse://babelwatch:secret-password@127.0.0.1:1/babelwatch") as page:
        answer = await get(page.url + "/api/v1/summary")
        assert answer.status_code == 503
        assert "127.0.0.1:1" in answer.json()["detail"]
        assert "secret-password" not in answer.text
        ticks = await read_until(page.url + "/api/v1/stream", lambda e: e.name == "tick")
        assert ticks[-1].data["ok"] is False
        assert ticks[-1].data["as_of"] is None
        assert (await get(page.url + "/health")).json() == {"status": "ok"}
