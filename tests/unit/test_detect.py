"""Bad input in the stream, one test each, and what a good mention becomes."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.detect import Detector, Limits
from schemas import ids
from schemas.events import AcceptedDeletion, BrandMatch, DetectedMention, EventError, Language, Origin

RECEIVED = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
ORIGIN = Origin(incarnation="i", topic="mentions", partition=2, offset=7)
SECRET = b"k" * 32


class Spanish:
    """Finds Spanish, and remembers what it was asked."""

    def __init__(self) -> None:
        self.hints: list[str | None] = []

    def detect(self, text: str, hint: str | None = None) -> Language:
        self.hints.append(hint)
        return Language(tag="es", confidence=0.9, detector="test")

    def read_ahead(self, texts: Iterable[tuple[str, str | None]]) -> None:
        self.hints += [f"ahead: {text}" for text, _ in texts]


class Lumora:
    """Finds 'Lumora' at its first place."""

    def match(self, text: str, language_tag: str, author: str | None = None) -> list[BrandMatch]:
        at = text.find("Lumora")
        return [BrandMatch(brand="lumora", start=at, end=at + 6)] if at >= 0 else []


def detector(**options: Any) -> Detector:
    options.setdefault("author_secret", SECRET)
    return Detector(Spanish(), Lumora, **options)


def message(**fields: Any) -> bytes:
    base = {"source": "test", "id": "1", "text": "el Lumora se rompió", "published_at": "2026-11-23T11:59:00Z"}
    return json.dumps({k: v for k, v in (base | fields).items() if v is not ...}).encode()


def reason(raw: bytes, **options: Any) -> str:
    with pytest.raises(EventError) as caught:
        detector(**options).detect(raw, ORIGIN, RECEIVED)
    assert str(caught.value)
    return caught.value.reason


def detected(raw: bytes, **options: Any) -> DetectedMention:
    event = detector(**options).detect(raw, ORIGIN, RECEIVED)
    assert isinstance(event, DetectedMention)
    return event


def test_a_good_mention() -> None:
    event = detected(message(author="ana", lang_hint="es", reach=5, country="MX", url="https://x", parent_id="0"))
    assert event.mention_id == ids.mention_id("default", "test", "1", None, None, "")
    assert event.text_hash == ids.text_hash("el Lumora se rompió")
    assert event.published_at == datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    assert event.received_at == RECEIVED.replace(microsecond=123000), "milliseconds"
    assert event.origin == ORIGIN
    assert event.language.tag == "es"
    assert [(m.brand, m.start, m.end) for m in event.brands] == [("lumora", 3, 9)]
    assert (event.reach, event.country, event.url, event.parent_id) == (5, "MX", "https://x", "0")


def test_the_same_message_gives_the_same_event() -> None:
    assert detected(message(id=...)) == detected(message(id=...))


def test_a_missing_id_is_no_bad_input() -> None:
    when = datetime(2026, 11, 23, 11, 59, tzinfo=UTC)
    expected = ids.mention_id("default", "test", None, None, when, "el Lumora se rompió")
    assert detected(message(id=...)).mention_id == expected


def test_author_is_a_keyed_hash_and_no_name() -> None:
    event = detected(message(author="ana"))
    assert event.author is None
    assert event.author_key == ids.author_key(SECRET, "default", "test", "ana")
    assert detected(message(author="ana"), keep_author_names=True).author == "ana"
    assert detected(message(author="ana"), author_secret=None).author_key == "", "an unkeyed hash would be the name"


def test_lang_hint_is_passed_on() -> None:
    languages = Spanish()
    Detector(languages, Lumora).detect(message(lang_hint="pt-BR"), ORIGIN, RECEIVED)
    assert languages.hints == ["pt-BR"]


def test_brands_are_asked_anew_for_each_message() -> None:
    class Nothing:
        def match(self, text: str, language_tag: str, author: str | None = None) -> list[BrandMatch]:
            return []

    current: list[Any] = [Lumora()]
    live = Detector(Spanish(), lambda: current[0])
    first = live.detect(message(), ORIGIN, RECEIVED)
    current[0] = Nothing()
    second = live.detect(message(), ORIGIN, RECEIVED)
    assert isinstance(first, DetectedMention)
    assert isinstance(second, DetectedMention)
    assert (len(first.brands), len(second.brands)) == (1, 0)


def test_a_deletion() -> None:
    raw = json.dumps(
        {"type": "mention_deleted", "source": "test", "id": "1", "revision": 3, "deleted_at": "2026-11-23T11:59:30Z"}
    ).encode()
    event = detector().detect(raw, ORIGIN, RECEIVED)
    assert isinstance(event, AcceptedDeletion)
    assert event.mention_id == detected(message()).mention_id
    assert event.revision == 3


def test_unknown_fields_are_accepted() -> None:
    assert detected(message(mood="sunny", nested={"a": [1, {"b": None}]})).text == "el Lumora se rompió"


@pytest.mark.parametrize(
    ("name", "raw", "expected"),
    [
        ("nothing", b"", "not_json"),
        ("not UTF-8", b"\xff\xfe\x00h\x00i", "not_utf8"),
        ("half a character", message()[:-1] + b"\xe2\x82", "not_utf8"),
        ("not JSON", b"{not json", "not_json"),
        ("cut off", message()[:-9], "not_json"),
        ("a list", b"[1, 2]", "invalid"),
        ("null", b"null", "invalid"),
        ("text a number", message(text=7), "invalid"),
        ("text missing", message(text=...), "invalid"),
        ("text null", message(text=None), "invalid"),
        ("text empty", message(text=""), "invalid"),
        ("source missing", message(source=...), "invalid"),
        ("date missing", message(published_at=...), "invalid"),
        ("date without an offset", message(published_at="2026-11-23T11:59:00"), "invalid"),
        ("no such day", message(published_at="2026-02-30T00:00:00Z"), "invalid"),
        ("revision negative", message(revision=-1), "invalid"),
        ("revision a float", message(revision=1.5), "invalid"),
        ("tenant with a quote", message(tenant="a'b"), "invalid"),
        ("country not a code", message(country="Brazil"), "invalid"),
        ("white space", message(text=" \t\n\u3000"), "blank_text"),
        ("invisible", message(text="\u200b\u200e\ufeff"), "blank_text"),
        ("NaN", message(reach=float("nan")), "not_json"),
        ("infinity", message(reach=float("inf")), "not_json"),
        ("1e400", message().replace(b'"test"', b'"test", "reach": 1e400'), "invalid"),
        ("30 digits", message(reach=10**30), "invalid"),
        ("NUL in the text", message(text="a\0b"), "nul_byte"),
        ("NUL in the id", message(id="a\0b"), "nul_byte"),
        ("NUL as a raw byte", message().replace(b"Lumora", b"Lum\0ora"), "not_json"),
        ("future", message(published_at="2026-11-23T12:16:00Z"), "in_the_future"),
        ("year 9999", message(published_at="9999-12-31T23:59:59Z"), "in_the_future"),
        ("year 9999, an offset that overflows", message(published_at="9999-12-31T23:59:59-23:59"), "in_the_future"),
        ("year 1, an offset that overflows", message(published_at="0001-01-01T00:00:00+23:59"), "too_old"),
        ("1969", message(published_at="1969-12-31T23:59:59Z"), "too_old"),
        ("no such version", message(version=2), "unknown_version"),
        ("version 0", message(version=0), "unknown_version"),
        ("version a string", message(version="1"), "invalid"),
        ("no such type", message(type="mention_liked"), "unknown_type"),
        ("an event of a later stage", message(type="mention_scored"), "unknown_type"),
        ("10,000 lists", b"[" * 10_000, "invalid"),
        ("10,000 lists in an unknown field", b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "not_json"),
        ("10,000 objects", b'{"x":' * 10_000 + b"1" + b"}" * 10_000, "not_json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input(name: str, raw: bytes, expected: str) -> None:
    assert reason(raw) == expected


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "a\\ud800b", "\\ud800\\ud800", "\\udfff tail of the text"])
def test_lone_surrogates(escape: str) -> None:
    raw = message(text="HERE").replace(b"HERE", escape.encode())
    assert reason(raw) in {"bad_unicode", "not_json"}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert detected(message(text="HERE").replace(b"HERE", b"\\ud83d\\ude00")).text == "😀"


def test_text_of_one_megabyte() -> None:
    assert reason(message(text="x" * 1_000_000)) == "text_too_long"


def test_the_longest_text_is_accepted() -> None:
    assert len(detected(message(text="é" * 100), limits=Limits(max_text_chars=100)).text) == 100
    assert reason(message(text="é" * 101), limits=Limits(max_text_chars=100)) == "text_too_long"


@pytest.mark.parametrize(("seconds", "accepted"), [(900, True), (901, False)])
def test_the_bound_ahead_is_measured_from_when_it_was_received(seconds: int, accepted: bool) -> None:
    received = RECEIVED.replace(microsecond=0)
    raw = message(published_at=(received + timedelta(seconds=seconds)).isoformat())
    if accepted:
        assert detector().detect(raw, ORIGIN, received)
    else:
        with pytest.raises(EventError):
            detector().detect(raw, ORIGIN, received)


def test_a_deletion_is_bounded_too() -> None:
    raw = b'{"type": "mention_deleted", "source": "t", "id": "1", "deleted_at": "9999-01-01T00:00:00Z"}'
    assert reason(raw) == "in_the_future"


def test_emoji_alone_are_a_text() -> None:
    assert detected(message(text="😡😡😡")).text == "😡😡😡"
