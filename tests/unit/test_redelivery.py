"""What a record that comes once more says about its first delivery."""

from datetime import UTC, datetime

import msgspec
import pytest

from pipeline.kafka.redelivery import HEADER, VIA, Redelivery, delivery, via
from schemas.events import EventError, Origin

FIRST = Origin(incarnation="inc", topic="mentions", partition=2, offset=7)
HERE = Origin(incarnation="inc", topic="mentions", partition=2, offset=900)
RECEIVED = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def test_a_first_delivery_is_its_own_origin_and_keeps_its_headers() -> None:
    came = delivery(HERE, (("trace", b"1"),))
    assert (came.origin, came.received_at, came.headers) == (HERE, None, (("trace", b"1"),))
    assert via(came.headers).positions == ()


def test_a_redelivery_keeps_the_first_origin_and_hands_its_own_position_on() -> None:
    again = Redelivery(origin=FIRST, reason="repair", received_at=RECEIVED)
    came = delivery(HERE, (("trace", b"1"), again.header()))
    assert (came.origin, came.received_at) == (FIRST, RECEIVED)
    assert [name for name, _ in came.headers] == ["trace", VIA]
    assert via(came.headers).positions == (HERE,)


def test_a_position_that_somebody_claims_is_dropped() -> None:
    came = delivery(HERE, ((VIA, msgspec.json.encode(FIRST)), ("trace", b"1")))
    assert came.headers == (("trace", b"1"),)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"\xff", b'{"origin": 1}', b"[" * 5000, b"x" * 9000])
def test_a_header_that_is_not_ours_is_an_error_with_a_reason(value: bytes) -> None:
    with pytest.raises(EventError) as error:
        delivery(HERE, ((HEADER, value),))
    assert error.value.reason == "bad_redelivery"


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"\xff", b"[" * 5000])
def test_positions_that_cannot_be_read_are_none(value: bytes) -> None:
    assert via(((VIA, value),)).positions == ()


def test_a_lost_redelivery_is_named_by_the_next_one() -> None:
    first = Redelivery(origin=FIRST, reason="repair", received_at=RECEIVED)
    again = Redelivery.of_record(HERE, (first.header(), ("trace", b"1")), "repair", None)
    assert (again.origin, again.received_at, again.earlier) == (FIRST, RECEIVED, (HERE,))
    third = Origin(incarnation="inc", topic="mentions", partition=2, offset=990)
    came = delivery(third, (again.header(),))
    assert came.origin == FIRST
    assert via(came.headers).positions == (third, HERE)


def test_a_lost_redelivery_comes_again_for_what_it_was_sent() -> None:
    lost = Redelivery(origin=FIRST, reason="replay", received_at=RECEIVED, generation=7)
    again = Redelivery.of_record(HERE, (lost.header(),), "repair", None)
    assert (again.reason, again.generation) == ("repair", 7)


def test_a_header_that_made_it_a_dead_letter_is_not_carried_on() -> None:
    again = Redelivery.of_record(HERE, ((HEADER, b"{"),), "repair", RECEIVED)
    assert (again.origin, again.earlier) == (HERE, ())


def test_a_generation_is_handed_on_within_its_bounds() -> None:
    again = Redelivery(origin=FIRST, reason="replay").replace_stored(7)
    assert via(delivery(HERE, (again.header(),)).headers).generation == 7
    too_great = (HEADER, msgspec.json.encode({"origin": FIRST, "reason": "replay", "generation": 4095}))
    with pytest.raises(EventError):
        delivery(HERE, (too_great,))


@pytest.mark.parametrize("field", ["partition", "offset"])
@pytest.mark.parametrize("place", ["origin", "earlier"])
def test_a_position_that_no_record_can_have_is_refused_at_once(field: str, place: str) -> None:
    greatest = {"partition": 2**31 - 1, "offset": 2**63 - 1}[field]

    def header(number: int) -> tuple[str, bytes]:
        first = msgspec.to_builtins(FIRST)
        forged = first | {field: number}
        said = {"origin": first, "reason": "repair"} | (
            {"origin": forged} if place == "origin" else {"earlier": [forged]}
        )
        return HEADER, msgspec.json.encode(said)

    assert delivery(HERE, (header(greatest),)).reason == "repair"
    for number in (greatest + 1, 2**64, -1):
        with pytest.raises(EventError) as error:
            delivery(HERE, (header(number),))
        assert error.value.reason == "bad_redelivery"
