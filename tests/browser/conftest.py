"""A real browser. Without chromium, or without the built page, these tests skip and say so."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

from pipeline.dashboard.app import STATIC
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from tests.browser.stage import Dashboard, dashboard

OpenPage = Callable[..., Page]
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]

# A view rests three times as long as its queries took (pipeline.dashboard.live): on a busy machine the next numbers may
# be further away than playwright's five seconds.
expect.set_options(timeout=30_000)


# Of the module, not of the session: playwright's own event loop must have ended before the next test with a coroutine.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    if not (STATIC / "index.html").exists():
        pytest.skip("the page is not built: run `make frontend`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def store(clickhouse_url: str) -> MentionStore:
    migrate(clickhouse_url)
    return MentionStore(connect(clickhouse_url))


@pytest.fixture
def page_server(clickhouse_url: str, store: MentionStore) -> Iterator[Dashboard]:
    with dashboard(clickhouse_url) as running:
        yield running


class Watched:
    """What went wrong in a page: script errors, violations of its policy, dialogs, requests to strangers."""

    def __init__(self, page: Page, home: str) -> None:
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", lambda m: self.problems.append(f"{m.type}: {m.text}") if m.type == "error" else None)
        page.on("dialog", self._dismiss)
        page.on(
            "request",
            lambda r: None if r.url.startswith((home, "data:", "blob:")) else self.problems.append(f"went to {r.url}"),
        )

    def _dismiss(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@pytest.fixture
def open_page(browser: Browser, page_server: Dashboard) -> Iterator[OpenPage]:
    """Return a function that opens the page as its user does, and checks at the end that nothing went wrong in it."""
    contexts = []
    watched: list[Watched] = []

    def open_it(
        query: str = "", *, width: int = 1440, height: int = 900, server: Dashboard = page_server, **more: Any
    ) -> Page:
        strict = more.pop("strict", True)
        context = browser.new_context(viewport={"width": width, "height": height}, **more)
        context.set_default_timeout(20_000)
        contexts.append(context)
        page = context.new_page()
        watch = Watched(page, server.url)
        if strict:
            watched.append(watch)
        page.goto(server.address + (f"&{query}" if query else ""))
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert [problem for watch in watched for problem in watch.problems] == []
