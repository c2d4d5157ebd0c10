"""Decoding: every kind of bad input has a stable reason, and nothing else than EventError comes out."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EVENT_VERSION, MAX_REVISION, EventError, Mention, MentionDeleted, decode, encode

ACCEPTED = ("mention", "mention_deleted")
GOOD: dict[str, Any] = {"source": "s", "text": "hello", "published_at": "2026-11-23T18:00:00Z"}


def raw(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


def reason(data: bytes) -> str:
    with pytest.raises(EventError) as refused:
        decode(data, ACCEPTED)
    assert str(refused.value)
    return refused.value.reason


def test_a_mention_needs_three_fields() -> None:
    event = decode(raw(), ACCEPTED)
    assert event == Mention(source="s", text="hello", published_at=datetime(2026, 11, 23, 18, tzinfo=UTC))
    assert isinstance(event, Mention)
    assert (event.tenant, event.revision, event.id, event.version) == ("default", 0, None, EVENT_VERSION)


def test_a_deletion() -> None:
    data = b'{"type": "mention_deleted", "source": "s", "id": "1", "deleted_at": "2026-11-23T18:00:00+05:30"}'
    event = decode(data, ACCEPTED)
    assert isinstance(event, MentionDeleted)
    assert event.deleted_at.utcoffset() == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xfe", "not_utf8"),
        (b'{"text": "\xc3\x28"}', "not_utf8"),
        (b"\xed\xa0\x80", "not_utf8"),  # a surrogate as bytes
        (b"", "not_json"),
        (b"hello", "not_json"),
        (b"{", "not_json"),
        (b"[" * 10_000, "invalid"),  # a list, however deep, is no event
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "not_json"),
        (b"[" * 10_000 + b"]" * 10_000, "invalid"),
        (raw() + b"x", "not_json"),
        (b'{"source": "s", "text": "x", "published_at": "2026-11-23T18:00:00Z", "reach": NaN}', "not_json"),
        (b'{"source": "s", "text": "x", "published_at": "2026-11-23T18:00:00Z", "reach": Infinity}', "not_json"),
        (b"null", "invalid"),
        (b"7", "invalid"),
        (b'"text"', "invalid"),
        (b"[]", "invalid"),
        (b"{}", "invalid"),
        (raw(text=None), "invalid"),
        (raw(text=""), "invalid"),
        (raw(text=["x"]), "invalid"),
        (raw(published_at=None), "invalid"),
        (raw(published_at="yesterday"), "invalid"),
        (raw(published_at="2026-11-23T18:00:00"), "invalid"),  # no offset: whose time would it be?
        (raw(published_at="2026-02-30T18:00:00Z"), "invalid"),
        (raw(published_at="10000-01-01T00:00:00Z"), "invalid"),
        (raw(revision=-1), "invalid"),
        (raw(revision=MAX_REVISION + 1), "invalid"),
        (raw(revision=10**400), "invalid"),
        (raw(reach=1.5), "invalid"),
        (raw(source=""), "invalid"),
        (raw(country="de"), "invalid"),
        (raw(tenant="../x"), "invalid"),
        (raw(version="1"), "invalid"),
        (raw(type=1), "invalid"),
        (raw(type="mention_scored"), "unknown_type"),
        (raw(type="x" * 10_000), "unknown_type"),
        (raw(version=0), "unknown_version"),
        (raw(version=EVENT_VERSION + 1), "unknown_version"),
        (raw(version=99, text=None, later="field"), "unknown_version"),  # by its version, before its fields
    ],
)
def test_bad_input_has_a_stable_reason(data: bytes, expected: str) -> None:
    assert reason(data) == expected


def test_messages_are_short_whatever_came() -> None:
    with pytest.raises(EventError) as refused:
        decode(raw(type="x" * 1_000_000), ACCEPTED)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("spelling", ["\\ud800", "\\udc00", "\\ud800\\u0041"])
def test_a_lone_surrogate_is_not_json(spelling: str) -> None:
    """JSON can spell one, but it is no character, and no UTF-8 can carry it on."""
    data = b'{"source": "s", "published_at": "2026-11-23T18:00:00Z", "text": "a' + spelling.encode() + b'b"}'
    assert reason(data) == "not_json"


def test_a_surrogate_pair_is_a_character() -> None:
    event = decode(raw(text="😡"), ACCEPTED)
    assert b"\\ud83d\\ude21" in raw(text="😡")
    assert isinstance(event, Mention)
    assert event.text == "😡"


def test_nul_bytes_and_every_script_come_through() -> None:
    text = "a\0b ünï 日本 हिन्दी 👩‍👩‍👧 \u202eevil"
    event = decode(raw(text=text), ACCEPTED)
    assert isinstance(event, Mention)
    assert event.text == text


def test_unknown_fields_are_accepted_at_any_depth() -> None:
    assert isinstance(decode(raw(extra={"deep": [{"x": None}]}, another=1), ACCEPTED), Mention)


def test_a_deeply_nested_unknown_field_is_refused_and_not_a_crash() -> None:
    assert reason(raw()[:-1] + b', "x": ' + b"[" * 10_000 + b"]" * 10_000 + b"}") == "not_json"
    assert reason(raw()[:-1] + b', "x": ' + b'{"y":' * 10_000 + b"1" + b"}" * 10_001) == "not_json"


def test_far_dates_are_decoded_and_left_to_the_bounds() -> None:
    event = decode(raw(published_at="9999-12-31T23:59:59Z"), ACCEPTED)
    assert isinstance(event, Mention)
    assert event.published_at.year == 9999


REASONS = {"not_utf8", "not_json", "unknown_type", "unknown_version", "invalid"}


def outcome(data: bytes) -> str:
    """Reason, or '' for an event."""
    try:
        event = decode(data, ACCEPTED)
    except EventError as error:
        return error.reason
    decode(encode(event), ACCEPTED)
    return ""


@given(st.binary(max_size=200))
def test_any_bytes_give_an_event_or_an_event_error(data: bytes) -> None:
    assert outcome(data) in REASONS


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "type", "version", "id", "revision", "reach"]), JSON_VALUES))
def test_any_json_gives_an_event_or_an_event_error(changes: dict[str, Any]) -> None:
    assert outcome(raw(**changes)) in {"", *REASONS}
