"""What is sent for a dead letter, and how its bytes are mended."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.dead.mend import check, sending, with_fields
from pipeline.errors import InputError
from pipeline.kafka.deadletter import CUT_HEADER, DeadLetter
from pipeline.kafka.redelivery import HEADER, VIA, Redelivery, Via
from schemas.events import Origin

ORIGIN = Origin(incarnation="inc", topic="mentions", partition=3, offset=1842)


def letter(**changes: Any) -> DeadLetter:
    facts: dict[str, Any] = {
        "value": b'{"source":"t"}',
        "key": b"k",
        "origin": ORIGIN,
        "stage": "language",
        "reason": "invalid",
        "error": "no text",
        "failed_at": datetime(2026, 11, 27, tzinfo=UTC),
        "headers": (("trace", b"1"),),
    }
    return DeadLetter(**(facts | changes))


@pytest.mark.parametrize(("stage", "name"), [("language", HEADER), ("sentiment", VIA)])
def test_it_comes_for_what_it_came_for(stage: str, name: str) -> None:
    came = Via(generation=7).header()
    again = dict(sending(letter(stage=stage, headers=(came,))).headers)
    assert b'"generation":7' in again[name]
    forged = sending(letter(stage=stage, headers=(came, (HEADER, b"refused")))).headers
    assert b'"generation":7' not in dict(forged).get(name, b"")


def test_it_goes_to_the_first_topic_and_keeps_where_it_entered() -> None:
    one = sending(letter(headers=(("trace", b"1"), (HEADER, b"old"), (VIA, b"old"), ("bw-x", b"old"))))
    assert (one.topic, one.key, one.value) == ("mentions", b"k", b'{"source":"t"}')
    assert [name for name, _ in one.headers] == ["trace", HEADER]
    again = Redelivery.of(one.headers)
    assert again is not None
    assert (again.origin, again.reason, again.received_at) == (ORIGIN, "dead_letter", None)


@pytest.mark.parametrize(("stage", "topic"), [("sentiment", "mentions.detected"), ("sink", "mentions.scored")])
def test_a_later_stage_reads_its_own_topic(stage: str, topic: str) -> None:
    one = sending(letter(stage=stage))
    assert (one.topic, one.headers) == (topic, (("trace", b"1"),))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"stage": "elsewhere"}, "none of ours"),
        ({"reason": "foreign"}, "none of ours"),
        ({"value": b""}, "no bytes"),
        ({"headers": ((CUT_HEADER, b"9000000"),)}, "only a part"),
    ],
)
def test_what_cannot_be_sent_is_said(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        sending(letter(**changes))


def test_with_other_bytes_a_cut_letter_can_be_sent() -> None:
    one = sending(letter(headers=((CUT_HEADER, b"9000000"),), value=b"half"), b"whole")
    assert one.value == b"whole"
    assert [name for name, _ in one.headers] == [HEADER]


def test_fields_are_set_as_json_or_as_text_and_removed() -> None:
    value = '{"source":"t","reach":"many","text":"ルモラ \\ud83d","old":1}'.encode()
    mended = with_fields(value, ["reach=12", "text=so = good", "old=", 'brands=["a"]'])
    assert mended == b'{"source":"t","reach":12,"text":"so = good","brands":["a"]}'


@pytest.mark.parametrize("value", [b"{", b"[1]", b"\xff", b"7", b"[" * 100_000])
def test_bytes_that_are_no_object_are_mended_by_a_file(value: bytes) -> None:
    with pytest.raises(InputError, match="--file"):
        with_fields(value, ["a=1"])


@pytest.mark.parametrize("change", ["a", "=1", ""])
def test_a_change_that_is_none(change: str) -> None:
    with pytest.raises(InputError, match="FIELD=VALUE"):
        with_fields(b"{}", [change])


def test_what_the_stage_would_refuse_again_is_told_beforehand() -> None:
    check(letter(), b'{"source":"t","id":"1","text":"x","published_at":"2026-11-27T00:00:00Z"}')
    with pytest.raises(InputError, match="invalid"):
        check(letter(), b'{"source":"t","id":"1","text":"x"}')
    with pytest.raises(InputError, match="unknown_type"):
        check(letter(stage="sink"), b'{"source":"t","id":"1","text":"x","published_at":"2026-11-27T00:00:00Z"}')
