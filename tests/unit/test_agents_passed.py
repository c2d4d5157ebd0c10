"""Offsets without a record are committed, and none that was handed out and is not done."""

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from agents.passed import HandedOut

FIRST, SECOND = object(), object()
A = ("t", 0)


def handed_out(*offsets: int) -> HandedOut:
    made = HandedOut()
    made.note(FIRST, {TopicPartition(*A): [SimpleNamespace(offset=offset) for offset in offsets]})
    return made


@pytest.mark.parametrize(
    ("handed", "position", "committed", "passed"),
    [
        ((), 3, None, {A: 3}),  # markers only, or a log whose beginning is gone
        ((), 3, 3, {}),
        ((), 0, None, {}),
        ((4, 6), 9, 7, {A: 9}),  # all that was handed out is committed; 7 and 8 are no records
        ((4, 6), 7, 7, {}),
        ((4, 6), 9, 6, {}),  # 6 is in a queue, or in hand
        ((4, 6), 9, None, {}),
        ((0,), 1, None, {}),
        ((0,), 2, 1, {A: 2}),
        ((4, 6), 5, 5, {}),  # read again from what was committed
    ],
)
def test_what_was_passed(
    handed: tuple[int, ...], position: int, committed: int | None, passed: dict[tuple[str, int], int]
) -> None:
    assert handed_out(*handed).passed(FIRST, {A: position}, {A: committed}) == passed


def test_a_new_assignment_hands_out_again_what_was_not_committed() -> None:
    made = handed_out(4)
    assert made.passed(FIRST, {A: 9}, {A: 3}) == {}
    made.note(SECOND, {})
    assert made.passed(SECOND, {A: 9}, {A: 3}) == {A: 9}, "read from 3 on, and no record was there"
    made.note(SECOND, {TopicPartition(*A): [SimpleNamespace(offset=8)]})
    assert made.passed(SECOND, {A: 9}, {A: 3}) == {}
