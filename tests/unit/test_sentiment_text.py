"""Normalisation: what the model reads."""

import pytest

from pipeline.sentiment.text import normalise


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("thanks @Brumo_Help!", "thanks @user!"),
        ("@brumo.help nope", "@user nope"),
        ("@a@mastodon.example hi", "@user hi"),
        ("write to me@example.com", "write to me@example.com"),
        ("see https://example.com/a?b=c now", "see http now"),
        ("SEE HTTP://EXAMPLE.COM", "SEE http"),
        ("www.example.com rocks", "http rocks"),
        ("fish &amp; chips &lt;3 &#39;yes&#39;", "fish & chips <3 'yes'"),
        ("two\n lines\tand\u3000more ", "two lines and more"),
        ("nul\0byte", "nul byte"),
        ("lone \ud83d surrogate", "lone \ufffd surrogate"),
        ("@ユーザー こんにちは", "@user こんにちは"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_texts_are_read_as_in_training(raw: str, read: str) -> None:
    assert normalise(raw) == read


def test_it_is_idempotent() -> None:
    once = normalise("RT @bob: &amp;amp; https://x.example/ \u00a0 ok")
    assert normalise(normalise(once)) == normalise(once)
