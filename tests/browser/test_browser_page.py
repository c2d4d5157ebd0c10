"""The page in a real browser, on a real ClickHouse: it moves, filters, pauses, and says when its data is old."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.events import BrandMatch
from tests.browser.conftest import OpenPage
from tests.browser.stage import Dashboard, dashboard, scored
from tests.freezing import frozen

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

LUMORA = [BrandMatch(brand="lumora", start=0, end=6)]


def seed(store: MentionStore) -> None:
    """60 mentions: 40 English (half positive), 15 Portuguese (negative, Lumora), 5 Arabic."""
    now = datetime.now(UTC)

    def ago(n: int) -> datetime:
        return now - timedelta(seconds=5 + 4 * n)

    store.write(
        [scored(f"fine {n}", label="positive" if n % 2 else "neutral", published_at=ago(n)) for n in range(40)]
        + [
            scored(f"Lumora ruim {n}", label="negative", language="pt", brands=LUMORA, published_at=ago(n))
            for n in range(15)
        ]
        + [scored(f"لومورا ممتاز {n}", label="positive", language="ar", published_at=ago(n)) for n in range(5)]
    )


def mentions(page: Page) -> int:
    return int((page.locator("#kpi-mentions").text_content() or "0").replace(",", "").replace("–", "0"))


def test_the_page_shows_the_numbers_and_moves(open_page: OpenPage, store: MentionStore) -> None:
    seed(store)
    page = open_page()
    expect(page.locator("#kpi-mentions")).to_have_text("60")
    expect(page.locator("#kpi-net")).to_have_text("+17")  # (25 - 15) / 60
    expect(page).to_have_url(re.compile(r"/$"))
    languages = page.locator("#languages tbody tr")
    expect(languages).to_have_count(3)
    assert languages.nth(0).inner_text().split() == ["English", "en", "40", "0%", "50%", "50%", "+50", "70%", "95%"]
    # 15 mentions are few: marked, and an interval in place of a number of points
    assert languages.nth(1).locator("td.few").count() == 4
    expect(languages.nth(1).locator("td").nth(1)).to_have_text("~100%")
    expect(page.locator("#brands tbody tr")).to_have_count(1)
    expect(page.locator("#brands tbody tr").first).to_contain_text("Lumora")
    expect(page.locator("#feed li.mention")).to_have_count(50)
    expect(page.locator("#volume canvas")).to_have_count(1)
    expect(page.locator("#volume")).to_have_attribute("aria-label", re.compile("15 negative, 20 neutral, 25 positive"))
    expect(page.locator("#fresh")).to_contain_text("live")

    store.write([scored("just now", label="negative")])
    expect(page.locator("#kpi-mentions")).to_have_text("61")
    expect(page.locator("#feed li.mention").first).to_contain_text("just now")
    expect(page.locator("#volume")).to_have_attribute("aria-label", re.compile("16 negative"))


def test_unsure_is_shown_apart_and_only_where_there_is_some(open_page: OpenPage, store: MentionStore) -> None:
    seed(store)
    page = open_page()
    expect(page.locator("#kpi-mentions")).to_have_text("60")
    apart = page.locator("#kpis dl.unsure, #volume-legend .legend-item:has(.unsure), th.unsure-head, td.unsure-cell")
    assert not any(one.is_visible() for one in apart.all())
    expect(page.locator("#only option[value=unsure]")).to_have_count(0)

    now = datetime.now(UTC)
    store.write(
        [
            scored(f"who knows {n}", label="unsure", published_at=now - timedelta(seconds=n + 1), brands=LUMORA)
            for n in range(40)
        ]
    )
    expect(page.locator("#kpi-mentions")).to_have_text("100")
    expect(page.locator("#kpi-net")).to_have_text("+17")  # (25 - 15) / 60: as before, over the judged
    expect(page.locator("#kpi-unsure")).to_be_visible()
    expect(page.locator("#kpi-unsure")).to_have_text("40%")
    expect(page.locator("#kpis dl.unsure")).to_contain_text("60% judged")
    expect(page.locator("#kpis dl.neutral .kpi-value")).to_have_text("33%")
    expect(page.locator("#volume-legend")).to_contain_text("unsure")
    words = re.compile("15 negative, 20 neutral, 25 positive, and 40 unsure")
    expect(page.locator("#volume")).to_have_attribute("aria-label", words)
    english = page.locator("#languages tbody tr", has_text="English").first
    assert english.inner_text().split()[:8] == ["English", "en", "80", "0%", "50%", "50%", "50%", "+50"]
    expect(page.locator("#languages th.unsure-head")).to_be_visible()
    expect(page.locator("#brands td.unsure-cell")).to_have_text("73%")  # 40 of 55
    first = page.locator("#feed li.mention").first
    expect(first.locator(".label")).to_have_text("? unsure")
    expect(first.locator(".label")).to_have_attribute("title", re.compile("neutral 48%.*none is sure enough"))
    page.locator("#only").select_option("unsure")
    shown = [one for one in page.locator("#feed li.mention").all() if one.is_visible()]
    assert shown
    assert all("unsure" in (one.get_attribute("class") or "") for one in shown)


def test_an_edit_and_a_label_change_reach_the_feed(open_page: OpenPage, store: MentionStore) -> None:
    store.write([scored("first words", ident="e", label="negative")])
    page = open_page()
    expect(page.locator("#feed li.mention")).to_contain_text("first words")
    store.write([scored("other words", ident="e", revision=3, label="positive")])
    expect(page.locator("#feed li.mention")).to_contain_text("other words")
    expect(page.locator("#feed li.mention")).to_contain_text("edited")
    expect(page.locator("#feed li.mention.positive")).to_have_count(1)


def test_filters_live_in_the_address(open_page: OpenPage, store: MentionStore) -> None:
    seed(store)
    page = open_page()
    expect(page.locator("#kpi-mentions")).to_have_text("60")
    page.get_by_role("button", name="Portuguese").click()
    expect(page.locator("#kpi-mentions")).to_have_text("15")
    expect(page).to_have_url(re.compile(r"language=pt"))
    expect(page.locator("#languages tbody tr")).to_have_count(3)  # the others stay, to compare and to change over
    expect(page.locator("#feed li.mention")).to_have_count(15)
    page.locator("#brand").select_option("lumora")
    expect(page).to_have_url(re.compile(r"brand=lumora"))
    page.get_by_role("button", name="Last 1 hour").click()
    expect(page).to_have_url(re.compile(r"window=3600"))
    expect(page.locator("#kpi-mentions")).to_have_text("15")
    page.reload()
    expect(page.locator("#kpi-mentions")).to_have_text("15")
    expect(page.locator("#language")).to_have_value("pt")
    expect(page.get_by_role("button", name="Last 1 hour")).to_have_attribute("aria-pressed", "true")
    page.go_back()
    page.go_back()
    expect(page).to_have_url(re.compile(r"language=pt$"))
    expect(page.get_by_role("button", name="Last 15 minutes")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#kpi-mentions")).to_have_text("60")


def test_the_feed_pauses_filters_and_goes_back(open_page: OpenPage, store: MentionStore) -> None:
    seed(store)
    page = open_page()
    expect(page.locator("#feed li.mention")).to_have_count(50)
    page.get_by_role("button", name="Older mentions").click()
    expect(page.locator("#feed li.mention")).to_have_count(60)
    expect(page.get_by_role("button", name="Older mentions")).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    store.write([scored("while paused", label="negative")])
    expect(page.get_by_role("button", name="Resume (1 new)")).to_be_visible()
    expect(page.locator("#kpi-mentions")).to_have_text("61")  # numbers go on
    expect(page.locator("#feed")).not_to_contain_text("while paused")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#feed li.mention").first).to_contain_text("while paused")
    page.locator("#only").select_option("negative")
    expect(page.locator("#feed li.mention:visible")).to_have_count(16)


def test_everything_can_be_reached_and_used_with_the_keyboard(open_page: OpenPage, store: MentionStore) -> None:
    seed(store)
    page = open_page()
    expect(page.locator("#kpi-mentions")).to_have_text("60")
    reached = []
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "() => [document.activeElement].map(e => e.id || e.dataset.key || e.textContent.trim().slice(0, 20))[0]"
            )
        )
    for wanted in (
        "Skip to the numbers",
        "window-900",
        "window-3600",
        "brand",
        "language",
        "theme",
        "languages",
        "only",
        "pause",
        "feed",
    ):
        assert wanted in reached, reached
    assert "language-pt" in reached
    page.locator("[data-key='window-3600']").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("window=3600"))
    assert page.evaluate("() => document.activeElement.dataset.key") == "window-3600", "focus is not lost by a redraw"
    page.locator("[data-key='language-pt']").focus()
    store.write([scored("redraws the table", language="pt")])
    expect(page.locator("#kpi-mentions")).to_have_text("61")
    assert page.evaluate("() => document.activeElement.dataset.key") == "language-pt"
    page.keyboard.press("Space")
    expect(page).to_have_url(re.compile("language=pt"))


def test_names_for_screen_readers(open_page: OpenPage, store: MentionStore) -> None:
    seed(store)
    page = open_page()
    expect(page.locator("#kpi-mentions")).to_have_text("60")
    for role, name in (
        ("main", None),
        ("banner", None),
        ("region", "Languages"),
        ("region", "Newest mentions"),
        ("region", "Key numbers"),
    ):
        expect(page.get_by_role(role, name=name).first).to_be_attached()  # type: ignore[arg-type]
    expect(page.get_by_role("img", name=re.compile("Mentions per 10 s"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Lumora: 100% negative"))).to_be_visible()
    expect(page.get_by_role("table", name="Mentions and sentiment by language")).to_be_visible()
    expect(page.get_by_role("combobox", name="Brand")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Colours: auto"))).to_be_visible()
    expect(page.locator("#announcer")).to_contain_text("60 mentions in 15 min")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, select, a, [role=img], [role=region]')]
             .filter(e => e.offsetParent !== null)
             .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim()))
             .map(e => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


CONTRAST = """() => {
  const parse = c => {
    const m = c.match(/[\\d.]+/g).map(Number);
    return c.startsWith('color(') ? [...m.slice(0, 3).map(x => x * 255), m[3] ?? 1] : [m[0], m[1], m[2], m[3] ?? 1];
  };
  const over = (a, b) => a.slice(0, 3).map((x, i) => x * a[3] + b[i] * (1 - a[3]));
  const behind = e => {
    const stack = [];
    for (; e; e = e.parentElement) stack.unshift(parse(getComputedStyle(e).backgroundColor));
    return stack.reduce((b, a) => over(a, b), [255, 255, 255]);
  };
  const linear = x => (x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
  const luminance = c => {
    const [r, g, b] = c.map(x => linear(x / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const bad = [];
  const texts = 'dt, dd, h1, h2, th, td, button, select, p, .label, .tag, .when, .where, mark, bdi';
  for (const e of document.querySelectorAll(texts)) {
    if (e.offsetParent === null || !e.textContent.trim() || e.disabled) continue;
    const back = behind(e);
    const front = over(parse(getComputedStyle(e).color), back);
    const [high, low] = [luminance(front), luminance(back)].sort((x, y) => y - x);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName}.${e.className} ${e.textContent.trim().slice(0, 20)} ${ratio.toFixed(2)}`);
  }
  return bad;
}"""
"""WCAG 2.2, 1.4.3: contrast of text of at least 4.5, over the backgrounds that lie behind it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(open_page: OpenPage, store: MentionStore, scheme: str) -> None:
    seed(store)
    page = open_page(color_scheme=scheme, reduced_motion="reduce")
    expect(page.locator("#kpi-mentions")).to_have_text("60")
    assert page.evaluate("() => document.documentElement.dataset.theme") == scheme
    assert page.evaluate(CONTRAST) == []
    page.locator("#theme").click()  # auto -> light
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize("width", [320, 390, 768, 1024])
def test_no_width_needs_sideways_scrolling(open_page: OpenPage, store: MentionStore, width: int) -> None:
    seed(store)
    store.write([scored("x" * 900, language="de"), scored("Z̸̧̛͓̰̦" * 60), scored("long words " * 90, source="s" * 64)])
    page = open_page(width=width, height=844)
    expect(page.locator("#kpi-mentions")).to_have_text("63")
    expect(page.locator("#feed li.mention").first).to_be_attached()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    outside = page.evaluate(
        "() => [...document.querySelectorAll('.panel, .kpi, .top *, li.mention *')]"
        ".filter(e => e.offsetParent && e.getBoundingClientRect().right > innerWidth + 1)"
        ".map(e => e.className || e.tagName)"
    )
    assert outside == []


@pytest.mark.slow
def test_the_page_says_how_old_its_data_is_and_recovers(open_page: OpenPage, tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path) as server:
        migrate(server.url)
        own = MentionStore(connect(server.url))
        own.write([scored("before")])
        with dashboard(server.url) as running:
            # the browser logs each 503 as an error; that is what is tried here
            page = open_page(server=running, strict=False)
            expect(page.locator("#kpi-mentions")).to_have_text("1")
            with frozen(server.pid):
                banner = page.locator("#banner")
                expect(banner).to_contain_text("ClickHouse", timeout=30_000)
                expect(banner).to_contain_text(re.compile(r"Data is \d+ seconds old"))
                expect(page.locator("#fresh")).to_have_text("not live")
                expect(page.locator("#kpi-mentions")).to_have_text("1")  # old numbers stay
            expect(page.locator("#banner")).to_be_empty(timeout=30_000)
            own.write([scored("after")])
            expect(page.locator("#kpi-mentions")).to_have_text("2", timeout=30_000)
            expect(page.locator("#fresh")).to_contain_text("live")


def test_without_the_token_the_page_says_what_to_do(browser: Browser, page_server: Dashboard) -> None:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.goto(page_server.url)
        expect(page.get_by_role("heading")).to_have_text("This page needs its token")
        page.goto(page_server.address)
        expect(page.locator("#kpi-mentions")).to_have_text("0")
        page.goto(page_server.url)  # the browser remembers it
        expect(page.locator("#kpi-mentions")).to_have_text("0")
    finally:
        context.close()
