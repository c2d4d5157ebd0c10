"""Unknown fields of a source's mention: kept in a namespace of their own, bounded, and every loss counted."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detect import Detector
from pipeline.metrics import SOURCE_FIELDS
from pipeline.source_fields import Bounds, Keeper
from schemas.events import AcceptedDeletion, DetectedMention, ScoredMention, decode, encode
from tests.unit.test_detect import ORIGIN, RECEIVED, Lumora, Spanish, message


def detect(raw: bytes, bounds: Bounds | None = None) -> DetectedMention:
    event = Detector(Spanish(), Lumora, source_fields=Keeper(bounds or Bounds())).detect(raw, ORIGIN, RECEIVED)
    assert isinstance(event, DetectedMention)
    return event


def kept(raw: bytes, bounds: Bounds | None = None) -> dict[str, Any]:
    """As the next stage decodes them."""
    event = decode(encode(detect(raw, bounds)), ("mention_detected",))
    assert isinstance(event, DetectedMention)
    if isinstance(event.source_fields, msgspec.UnsetType):
        return {}
    return {name: msgspec.json.decode(value) for name, value in event.source_fields.items()}


def counts() -> tuple[float, float]:
    return SOURCE_FIELDS.labels("kept")._value.get(), SOURCE_FIELDS.labels("dropped")._value.get()


def test_fields_that_are_not_known_travel_on() -> None:
    before = counts()
    assert kept(message(likes=3, thread={"root": ["a", None]})) == {"likes": 3, "thread": {"root": ["a", None]}}
    assert counts() == (before[0] + 2, before[1])


def test_without_any_the_event_has_the_bytes_that_it_always_had() -> None:
    plain = Detector(Spanish(), Lumora).detect(message(), ORIGIN, RECEIVED)
    assert encode(detect(message())) == encode(plain)
    assert b"source_fields" not in encode(plain)


@pytest.mark.parametrize("name", sorted({*ScoredMention.__struct_fields__} - {"type", "version", "source_fields"}))
def test_no_source_can_write_a_field_of_our_own_events(name: str) -> None:
    """Neither one that is known today nor, by the same namespace, one that a later version gives a meaning."""
    honest = detect(message())
    try:
        event = detect(message(**{name: "forged", "via": "forged"}))
    except ValueError:
        return  # a field of the source's own, of a wrong type
    own = json.loads(encode(event))
    assert "via" not in own
    if name not in {"source", "id", "text", "author", "url", "lang_hint", "parent_id", "tenant"}:
        assert own.get(name) == json.loads(encode(honest)).get(name)


@pytest.mark.parametrize(
    ("fields", "bounds", "left"),
    [
        ({"a": "x" * 5000, "b": 1}, Bounds(), {"b": 1}),
        ({f"f{n}": n for n in range(40)}, Bounds(), {f"f{n}": n for n in range(32)}),
        ({"": 1, "a b": 1, "ü": 1, "x" * 65: 1, "9": 1, "ok.so-far_1": 1}, Bounds(), {"ok.so-far_1": 1}),
        ({"a": [[[[]]]], "b": [1, {}]}, Bounds(max_brackets=3), {"b": [1, {}]}),
        ({"a": "nul\0", "b": ["\0"], "c": "fine"}, Bounds(), {"c": "fine"}),
        ({"a": 1}, Bounds(max_bytes=0), {}),
        ({"a": 1, "bb": 22, "c": 3}, Bounds(max_bytes=4), {"a": 1, "c": 3}),
    ],
)
def test_bounds(fields: dict[str, Any], bounds: Bounds, left: dict[str, Any]) -> None:
    before = counts()
    assert kept(message(**fields), bounds) == left
    assert counts() == (before[0] + len(left), before[1] + len(fields) - len(left))


@pytest.mark.parametrize("value", ["1e999", "-1e400", "[1, 2e999]"])
def test_a_value_that_a_reader_could_not_decode_is_dropped_and_the_mention_is_not(value: str) -> None:
    assert kept(message()[:-1] + f', "a": {value}, "c": "\\ud83d\\ude21"}}'.encode()) == {"c": "😡"}


def test_a_deletion_takes_nothing_along() -> None:
    raw = b'{"type":"mention_deleted","source":"t","id":"1","deleted_at":"2026-11-23T11:00:00Z","reason":"privacy"}'
    before = counts()
    event = Detector(Spanish(), Lumora, source_fields=Keeper(Bounds())).detect(raw, ORIGIN, RECEIVED)
    assert isinstance(event, AcceptedDeletion)
    assert b"privacy" not in encode(event)
    assert counts() == (before[0], before[1] + 1)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6) | st.from_regex(r"\A[a-z_]{1,9}\Z"), VALUES, max_size=6))
def test_whatever_a_source_adds_the_event_can_be_read_on(fields: dict[str, Any]) -> None:
    known = {"type", "version", "tenant", "source", "id", "revision", "text", "published_at", "author", "url", "reach"}
    known |= {"country", "lang_hint", "parent_id"}
    raw = json.dumps({**fields, "source": "s", "text": "t", "published_at": datetime.now(UTC).isoformat()})
    if known & fields.keys():
        return
    try:
        event = Detector(Spanish(), Lumora, source_fields=Keeper(Bounds())).detect(
            raw.encode(), ORIGIN, datetime.now(UTC)
        )
    except ValueError:
        return
    json.loads(encode(event))
    assert decode(encode(event), ("mention_detected",)) == event
