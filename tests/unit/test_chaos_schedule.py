"""The schedule of the chaos harness: what a seed says, it says again."""

import pytest

from tests.chaos.schedule import Kind, draw

KINDS = (
    Kind("kill", ("sink-1", "sink-2"), 0.0, 0.0),
    Kind("stop", ("sink-1", "language-1"), 11.0, 15.0),
    Kind("cut", ("broker",), 2.0, 5.0),
)


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert draw(7, 10_000, 20, KINDS) == draw(7, 10_000, 20, KINDS)
    assert draw(7, 10_000, 20, KINDS) != draw(8, 10_000, 20, KINDS)


def test_every_kind_comes_once_before_one_comes_twice() -> None:
    plan = draw(1, 10_000, 9, KINDS)
    for begin in (0, 3, 6):
        assert {planned.fault for planned in plan[begin : begin + 3]} == {"kill", "stop", "cut"}


def test_faults_are_in_order_inside_the_stream_and_within_their_bounds() -> None:
    plan = draw(3, 1_000, 50, KINDS)
    assert [p.at for p in plan] == sorted(p.at for p in plan)
    assert all(50 <= p.at <= 950 for p in plan)
    kinds = {kind.fault: kind for kind in KINDS}
    assert all(kinds[p.fault].shortest <= p.seconds <= kinds[p.fault].longest for p in plan)
    assert all(p.target in kinds[p.fault].targets for p in plan)


def test_no_kind_is_an_error_and_no_fault_is_none() -> None:
    assert draw(1, 100, 0, ()) == []
    with pytest.raises(ValueError, match="no kind of fault"):
        draw(1, 100, 1, ())
