"""Mentions are hostile input: script, markup and bidi tricks, in a real browser."""

import pytest
from playwright.sync_api import expect

from pipeline.store.mentions import MentionStore
from schemas.events import BrandMatch
from tests.browser.conftest import OpenPage
from tests.browser.stage import scored

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

MARKUP = [
    "<script>window.pwned = 1; alert(1)</script>",
    "<img src=x onerror='window.pwned=2'>",
    "<svg onload=window.pwned=3><animate onbegin=alert(1)>",
    "</p></li></ol><iframe srcdoc='<script>parent.pwned=4</script>'></iframe>",
    "<a href='javascript:window.pwned=5'>click me</a>",
    "{{constructor.constructor('window.pwned=6')()}} ${window.pwned=7} <%= 7*7 %>",
    "<style>body{display:none}</style><link rel=stylesheet href=//evil.example/x.css>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>",
    '"><base href=//evil.example/><meta http-equiv=refresh content=0;url=//evil.example/>',
    "data: evil\n\nevent: mentions\ndata: {}\n\n",
    "<details open ontoggle=window.pwned=8>x</details><form action=//evil.example><input autofocus onfocus=alert(1)>",
]


TRY_MARKUP = """() => {
  try {
    document.body.lastElementChild.innerHTML = '<img src=x onerror="window.pwned=1">';
    return 'let through';
  } catch (error) {
    return error.constructor.name;
  }
}"""
TRY_HANDLER = """() => {
  try {
    const button = document.createElement('button');
    button.setAttribute('onclick', 'window.pwned=2');
    document.body.append(button);
    button.click();
    return 'let through';
  } catch (error) {
    return error.constructor.name;
  }
}"""
LEFT_EDGES = """() => {
  const bdi = [...document.querySelectorAll('#feed bdi')].find(e => e.textContent.includes('moc.live'));
  const node = [...bdi.childNodes].find(n => n.textContent.includes('moc.live'));
  const edge = i => {
    const range = document.createRange();
    range.setStart(node, i);
    range.setEnd(node, i + 1);
    return range.getBoundingClientRect().left;
  };
  return [edge(0), edge(7)];
}"""


def test_markup_is_text(open_page: OpenPage, store: MentionStore) -> None:
    store.write([scored(text, author=f"<b onmouseover=alert(2)>{n}</b>") for n, text in enumerate(MARKUP)])
    page = open_page()
    expect(page.locator("#feed li.mention")).to_have_count(len(MARKUP))
    shown = set(page.locator("#feed .said bdi").all_text_contents())
    assert shown == set(MARKUP)
    for selector in ("script", "img", "svg", "iframe", "style", "form", "input", "details", "base", "a", "b", "table"):
        assert page.locator(f"#feed {selector}").count() == 0, selector
    for item in page.locator("#feed li.mention").all():
        item.hover()
    assert page.evaluate("() => window.pwned") is None
    assert page.evaluate("() => getComputedStyle(document.body).display") != "none"


def test_the_browser_itself_refuses_markup_and_inline_script(open_page: OpenPage, store: MentionStore) -> None:
    """The second line: even a mistake in this front end could not turn a mention into markup."""
    store.write([scored("calm")])
    page = open_page(strict=False)
    expect(page.locator("#feed li.mention")).to_have_count(1)
    assert page.evaluate(TRY_MARKUP) == "TypeError"
    assert page.evaluate(TRY_HANDLER) == "TypeError"
    assert page.evaluate("() => window.pwned") is None
    escaped = page.evaluate(
        "() => fetch('https://evil.example/').then(() => 'reached', error => error.constructor.name)"
    )
    assert escaped == "TypeError"


def test_bidi_tricks_are_shown_and_not_obeyed(open_page: OpenPage, store: MentionStore) -> None:
    spoof = "Refund to \u202emoc.live\u202c now \u2066isolated \u2069 end"
    invisible = "pay\u200bpal \u0007 \ufeff\U000e0068\U000e0069 \x1b[31m"
    persian = "می\u200cخواهم 👩\u200d👩\u200d👧 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    store.write(
        [
            scored(spoof, author="adm\u202enimda"),
            scored(invisible, language="de"),
            scored(persian, language="fa"),
            scored("an open one \u202e\u202d\u2067", language="fr"),
            scored("after it", language="it"),
        ]
    )
    page = open_page()
    expect(page.locator("#feed li.mention")).to_have_count(5)
    raw = page.evaluate("() => document.getElementById('feed').textContent")
    for character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\ufeff\u0007\x1b\U000e0068":
        assert character not in raw, f"U+{ord(character):04X}"
    marks = page.locator("#feed .control").all_text_contents()
    assert {"RLO", "PDF", "LRI", "PDI", "ZWSP", "BOM", "U+0007", "U+001B", "LRO", "RLI", "U+E0068"} <= set(marks)
    # what scripts need stays: joiners, and the tag characters of a flag
    assert persian in page.locator("#feed .said bdi[lang=fa]").all_text_contents()
    # the trick would have shown "evil.com" reversed: left of "now", in the order of the letters
    left, right = page.evaluate(LEFT_EDGES)
    assert left < right
    assert page.locator("#feed .author .control").all_text_contents() == ["RLO"]


def test_direction_and_language_of_each_text(open_page: OpenPage, store: MentionStore) -> None:
    texts = {
        "ar": "لومورا سيئة جدا",
        "he": "השירות של לומורה גרוע",
        "ur": "لومورا بہت خراب ہے",
        "hi": "लुमोरा बहुत बुरा है",
        "ja": "ルモラは最悪",
        "th": "ลูโมราแย่มาก",
        "en": "Lumora is bad",
        "hi-Latn": "Lumora bahut bura hai",
        "und": "12345",
    }
    store.write([scored(text, language=tag) for tag, text in texts.items()])
    page = open_page()
    expect(page.locator("#feed li.mention")).to_have_count(len(texts))
    found = page.evaluate(
        """() => [...document.querySelectorAll('#feed .said bdi')].map(e =>
             [e.textContent, e.getAttribute('lang'), getComputedStyle(e).direction])"""
    )
    rtl = {"ar", "he", "ur"}
    expected = [[text, None if tag == "und" else tag, "rtl" if tag in rtl else "ltr"] for tag, text in texts.items()]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert page.evaluate("() => getComputedStyle(document.querySelector('#feed .about')).direction") == "ltr"


def test_links_lead_to_the_web_only(open_page: OpenPage, store: MentionStore) -> None:
    good = "https://example.org/post?a=1&b=2"
    bad = [
        "javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "//evil.example",
        "https://a@evil.example/",
        "file:///etc/passwd",
    ]
    store.write([scored("good", url=good), *[scored(f"bad {n}", url=url) for n, url in enumerate(bad)]])
    page = open_page()
    expect(page.locator("#feed li.mention")).to_have_count(6)
    links = page.locator("#feed a")
    expect(links).to_have_count(1)
    assert links.first.get_attribute("href") == good
    assert {"noopener", "noreferrer"} <= set((links.first.get_attribute("rel") or "").split())


def test_highlights_cut_no_letter(open_page: OpenPage, store: MentionStore) -> None:
    emoji = "😀😀 Lumora & Lumora"
    thai = "รักลูโมรามาก"
    store.write(
        [
            scored(
                emoji, brands=[BrandMatch(brand="lumora", start=3, end=9), BrandMatch(brand="lumora", start=12, end=18)]
            ),
            scored(thai, language="th", brands=[BrandMatch(brand="lumora", start=3, end=9)]),
            scored(
                "short",
                language="fi",
                brands=[BrandMatch(brand="x", start=2, end=99), BrandMatch(brand="y", start=4, end=1)],
            ),
        ]
    )
    page = open_page()
    expect(page.locator("#feed li.mention")).to_have_count(3)
    assert sorted(page.locator("#feed mark").all_text_contents()) == ["Lumora", "Lumora", thai[3:9]]
    assert set(page.locator("#feed .said bdi").all_text_contents()) == {emoji, thai, "short"}


def test_names_of_brands_and_languages_are_text_too(open_page: OpenPage, store: MentionStore) -> None:
    brand = "<img src=x onerror=alert(1)>"
    store.write([scored("hello", language="en-x-<b>", brands=[BrandMatch(brand=brand, start=0, end=5)])])
    page = open_page()
    expect(page.locator("#brands tbody tr")).to_have_count(1)
    expect(page.locator("#brands tbody")).to_contain_text("<img src=x")
    expect(page.locator("#languages tbody")).to_contain_text("en-x-<b>")
    assert page.locator("#feed img, #brands img, #languages b, header img").count() == 0
    page.hover("#brands-chart", position={"x": 200, "y": 14})
    page.goto(page.url + "?language=%3Cscript%3Ealert(1)%3C/script%3E&brand=%22%3E%3Cimg%20src=x%3E")
    expect(page.locator("#kpi-mentions")).to_have_text("0")
