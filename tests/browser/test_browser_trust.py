"""Trust in the table of languages: a mark beside the numbers, and words for whoever asks, wide and narrow."""

import pytest
from playwright.sync_api import expect

from pipeline.sentiment.folder import ModelFolder
from pipeline.sentiment.trust.table import read
from pipeline.sentiment.trust.words import points
from pipeline.settings import Settings
from pipeline.store.mentions import MentionStore
from tests.browser.conftest import OpenPage
from tests.browser.stage import scored, shipped

pytestmark = [pytest.mark.browser, pytest.mark.embedded]


@pytest.mark.parametrize("width", [1440, 390])
def test_each_language_shows_how_far_it_can_be_trusted(open_page: OpenPage, store: MentionStore, width: int) -> None:
    table = read(ModelFolder(Settings().model_path, check_card=False))
    if table is None:
        pytest.skip("the shipped model has no trust.json")
    tags = ["en", "ja", "hi-Latn", "ast", "und"]
    for number, tag in enumerate(tags):
        store.write([scored(f"{tag} {n}", language=tag, judge=shipped()) for n in range(40 - number)])
    page = open_page(width=width)
    rows = page.locator("#languages tbody tr")
    expect(rows).to_have_count(len(tags))
    for number, tag in enumerate(tags):
        mark, known = rows.nth(number).locator(".trust"), table.find(tag)
        expect(mark).to_be_visible()
        said = mark.get_attribute("aria-label") or ""
        assert said.startswith(f"Trust {known.level}")
        assert known.in_words in said
        if known.macro_f1 is not None:
            assert f"{known.source}: macro-F1 {points(known.macro_f1)}" in said
        bars = {"high": 3, "fair": 2, "low": 1, "unknown": 0}[known.level]
        assert mark.locator("i.on").count() == bars, tag
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_model_that_is_not_here_is_unknown(open_page: OpenPage, store: MentionStore) -> None:
    store.write([scored(f"text {n}", judge=("elsewhere@00000000", "a-rule")) for n in range(40)])
    mark = open_page().locator("#languages .trust").last
    expect(mark).to_have_attribute("aria-label", "Trust unknown; nothing is known")
    assert mark.locator("i.on").count() == 0
