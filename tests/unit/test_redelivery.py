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
    assert via(came.headers) is None


def test_a_redelivery_keeps_the_first_origin_and_hands_its_own_position_on() -> None:
    again = Redelivery(origin=FIRST, reason="repair", received_at=RECEIVED)
    came = delivery(HERE, (("trace", b"1"), again.header()))
    assert (came.origin, came.received_at) == (FIRST, RECEIVED)
    assert [name for name, _ in came.headers] == ["trace", VIA]
    assert via(came.headers) == HERE


def test_a_position_that_somebody_claims_is_dropped() -> None:
    came = delivery(HERE, ((VIA, msgspec.json.encode(FIRST)), ("trace", b"1")))
    assert came.headers == (("trace", b"1"),)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"\xff", b'{"origin": 1}', b"[" * 5000, b"x" * 3000])
def test_a_header_that_is_not_ours_is_an_error_with_a_reason(value: bytes) -> None:
    with pytest.raises(EventError) as error:
        delivery(HERE, ((HEADER, value),))
    assert error.value.reason == "bad_redelivery"


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"\xff", b"[" * 5000])
def test_a_position_that_cannot_be_read_is_none(value: bytes) -> None:
    assert via(((VIA, value),)) is None
