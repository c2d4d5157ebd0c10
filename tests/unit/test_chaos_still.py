"""A pipeline that stands still is told from one that is slow, empty or out of sight."""

from tests.chaos.still import Still


def test_it_is_told_once_when_nothing_has_moved_for_so_long() -> None:
    still = Still(limit_s=60)
    assert [still.look(now, 7) for now in (0, 30, 59, 60, 90)] == [False, False, False, True, False]


def test_what_moves_is_slow_and_not_still() -> None:
    still = Still(limit_s=60)
    assert not any(still.look(now, 1_000 - now) for now in range(0, 600, 50))


def test_nothing_open_is_the_end() -> None:
    still = Still(limit_s=60)
    assert not any(still.look(now, 0) for now in range(0, 600, 50))


def test_a_broker_that_does_not_say_begins_it_anew() -> None:
    still = Still(limit_s=60)
    assert [still.look(now, open_) for now, open_ in ((0, 7), (50, None), (70, 7), (120, 7), (130, 7))] == [
        *(False, False, False, False),
        True,
    ]
