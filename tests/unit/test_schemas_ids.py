"""Ids: deterministic, pinned (they are in everybody's data), and without accidental collisions."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import MAX_REVISION
from schemas.ids import MAX_CORRECTION, MAX_GENERATION, author_key, mention_id, text_hash, truth_order, utc_millis

AT = datetime(2026, 11, 23, 18, 4, 5, 123456, tzinfo=UTC)


def test_ids_never_change() -> None:
    assert mention_id("default", "s", "1", None, None, "") == "2f138b09aed96b505597678e05779b7a"
    assert mention_id("default", "s", None, "ana", AT, "hello") == "f3c87a3d66370b2e8b1ee97d723ed1cd"
    assert text_hash("Hello  World") == "387b69f2465adabf"
    assert author_key(b"secret", "default", "s", "ana") == "7c47a7d26e2e4ea043a8d3d5b8a926b7"


def test_with_the_sources_own_id_nothing_else_matters() -> None:
    first = mention_id("t", "s", "1", "ana", AT, "text")
    assert first == mention_id("t", "s", "1", "bob", None, "edited")
    assert len(first) == 32
    assert len({first, mention_id("u", "s", "1", None, None, ""), mention_id("t", "r", "1", None, None, "")}) == 3


def test_without_an_id_the_same_words_of_the_same_author_at_the_same_millisecond_are_one() -> None:
    first = mention_id("t", "s", None, "ana", AT, "text")
    same_moment = AT.astimezone(timezone(timedelta(hours=-3))) + timedelta(microseconds=100)
    assert first == mention_id("t", "s", None, "ana", same_moment, "text")
    others = {
        mention_id("t", "s", None, "bob", AT, "text"),
        mention_id("t", "s", None, "ana", AT + timedelta(milliseconds=1), "text"),
        mention_id("t", "s", None, "ana", AT, "text!"),
        mention_id("t", "s", "", None, None, ""),
    }
    assert len(others | {first}) == 5


def test_parts_do_not_run_into_each_other() -> None:
    assert mention_id("a", "bc", "d", None, None, "") != mention_id("ab", "c", "d", None, None, "")
    assert mention_id("a", "b", "cd", None, None, "") != mention_id("a", "bc", "d", None, None, "")


def test_lone_surrogates_and_nul_do_not_raise() -> None:
    assert mention_id("t", "s", "\ud800\0", None, None, "") != mention_id("t", "s", "\ud801\0", None, None, "")
    assert len(text_hash("\ud800")) == 16


def test_copies_of_a_text_share_its_hash() -> None:
    assert text_hash("Héllo   WORLD\n") == text_hash("he\u0301llo world") == text_hash("ｈéllo world")
    assert text_hash("hello world") != text_hash("hello worlds")


def test_an_author_is_a_keyed_hash_and_nobody_is_nobody() -> None:
    first = author_key(b"k", "t", "s", "ana")
    assert author_key(b"other", "t", "s", "ana") != first
    assert author_key(b"k", "t", "s2", "ana") != first
    assert author_key(b"k", "t", "s", None) == author_key(b"k", "t", "s", "") == ""
    assert len(author_key(b"k" * 200, "t", "s", "ana")) == 32  # BLAKE2 takes 64 bytes of key


def test_utc_millis_cuts_and_never_rounds_up() -> None:
    assert utc_millis(datetime(2026, 1, 1, 1, 0, 0, 999999, timezone(timedelta(hours=1)))) == datetime(
        2026, 1, 1, 0, 0, 0, 999000, UTC
    )


def test_order_of_truth() -> None:
    ascending = [
        truth_order(revision=0),
        truth_order(revision=0, generation=MAX_GENERATION),
        truth_order(revision=0, deleted=True),
        truth_order(revision=1),
        truth_order(revision=MAX_REVISION, deleted=True, generation=MAX_GENERATION),
        truth_order(revision=0, correction=1),
        truth_order(revision=MAX_REVISION, deleted=True, correction=MAX_CORRECTION, generation=MAX_GENERATION),
    ]
    assert ascending == sorted(set(ascending))
    assert ascending[-1] == 2**64 - 1


@given(st.integers(0, MAX_CORRECTION), st.integers(0, MAX_REVISION), st.booleans(), st.integers(0, MAX_GENERATION))
def test_order_of_truth_is_the_order_of_its_parts(correction: int, revision: int, gone: bool, generation: int) -> None:
    packed = truth_order(revision=revision, deleted=gone, correction=correction, generation=generation)
    assert (packed >> 56, packed >> 13 & MAX_REVISION, packed >> 12 & 1, packed & 0xFFF) == (
        correction,
        revision,
        gone,
        generation,
    )


@pytest.mark.parametrize("parts", [{"revision": -1}, {"revision": 2**43}, {"revision": 0, "generation": 4096}])
def test_parts_out_of_bounds_raise(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is outside"):
        truth_order(**parts)
