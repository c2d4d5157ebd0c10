"""Scripts, and what cleaning leaves of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text import (
    CLEAN_CHARS,
    HANDLE,
    HASHTAG,
    LINK,
    clean_for_language,
    may_have_handles,
    may_have_hashtags,
    may_have_links,
    script,
    script_shares,
)


@pytest.mark.parametrize(
    ("chars", "name"),
    [
        ("aZéßłnﬁＡ", "Latn"),
        ("яЁіўӘ", "Cyrl"),
        ("αΩἀ", "Grek"),
        ("عیپگ\u064bﻧ", "Arab"),
        ("אבּ", "Hebr"),
        ("कि्ं", "Deva"),
        ("কি", "Beng"),
        ("กิ์", "Thai"),
        ("漢々𠀀", "Hani"),
        ("ひ", "Hira"),
        ("カーｶ", "Kana"),
        ("한ㅎ", "Hang"),
        ("ქ", "Geor"),
        ("1 .,!?-_@#😀€\0·", "Zyyy"),
    ],
)
def test_script(chars: str, name: str) -> None:
    assert {char: script(char) for char in chars} == dict.fromkeys(chars, name)


def test_script_shares_weigh_signs_that_are_syllables_or_words() -> None:
    assert script_shares("abc") == {"Latn": 1.0}
    assert script_shares("12 😀") == {}
    assert script_shares("abc 漢") == {"Latn": 0.5, "Hani": 0.5}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hello  World\n\r\tagain", "hello world again"),
        ("RT @user: bonjour", ": bonjour"),
        ("hi @user.name@server.social and @x", "hi and"),
        ("see https://example.com/a?b=c#d now", "see now"),
        ("see www.example.com now http", "see now"),
        ("nice 👩‍👩‍👧🎉❤️ day", "nice day"),
        ("#LoveThis_phone #über", "lovethis phone über"),
        ("sooooo gooood!!!!! #####", "soo good!! ##"),
        ("Tom &amp; Jerry &#128512;", "tom & jerry"),
        ("ﻧﻴﻤﺒﻮﺱ ＡＢＣ", "نيمبوس abc"),
        ("a\0b \ud800c", "a b c"),
        ("mail me@example.com", "mail me@example.com"),
        ("", ""),
    ],
)
def test_clean(text: str, left: str) -> None:
    assert clean_for_language(text) == left


def test_clean_is_bounded() -> None:
    assert len(clean_for_language("ﷺ" * 10_000)) <= CLEAN_CHARS
    assert clean_for_language(" " * 100_000 + "word") == "word"


def test_tokens() -> None:
    text = "a@b.c @one, @two.exampleさん #tag1 &#39; ＃全角 (https://x.y/z) www.q"
    assert [m[0] for m in HANDLE.finditer(text)] == ["@one", "@two.example"]
    assert [m[0] for m in HASHTAG.finditer(text)] == ["#tag1", "＃全角"]
    assert [m[0] for m in LINK.finditer(text)] == ["https://x.y/z)", "www.q"]


@given(st.text(st.one_of(st.sampled_from("@＠#＃:/.wWhHtTpPsSaA1_-é字 "), st.characters()), max_size=30))
def test_what_is_looked_for_first_is_in_whatever_the_expressions_find(text: str) -> None:
    assert may_have_links(text) or not LINK.search(text)
    assert may_have_handles(text) or not HANDLE.search(text)
    assert may_have_hashtags(text) or not HASHTAG.search(text)
