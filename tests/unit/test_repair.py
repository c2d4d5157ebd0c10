"""What is called absent from Kafka lies in the log as it is after the reading; with doubles of our readers."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipeline.ledger import Bounds, Gap, Interval, Proof
from pipeline.repair import settle

KEY = ("mentions", 0)


class Log:
    """Partition 0: a broker's log, the reader of its records and of its offsets, and the ledger that is written."""

    def __init__(self, there: set[int], begin: int, end: int) -> None:
        self.there, self.begin, self.end = there, begin, end
        self.while_read: tuple[int, int] | None = None
        self.written: list[Interval] = []

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]:
        if self.while_read is not None:
            self.begin, self.end = self.while_read
        yield from (
            SimpleNamespace(offset=n) for n in sorted(self.there) if max(start, self.begin) <= n < min(end, self.end)
        )

    def begins(self, _: object) -> dict[tuple[str, int], int]:
        return {KEY: self.begin}

    def ends(self, _: object) -> dict[tuple[str, int], int]:
        return {KEY: self.end}

    def write(self, found: list[Interval]) -> None:
        self.written += found

    def settle(self, *gaps: Gap) -> int:
        proof = Proof(0, Bounds(0, 100, 0, 100), gaps, ())
        me = cast(Any, self)
        return settle(me, me, me, "inc", [proof])


def absent(*spans: tuple[int, int]) -> list[Interval]:
    return [Interval("inc", "mentions", 0, first, last, "absent") for first, last in spans]


def test_what_holds_no_record_is_absent() -> None:
    log = Log({0, 1, 4, 9}, 0, 10)
    assert log.settle(Gap(0, 0, 10)) == 6
    assert log.written == absent((2, 3), (5, 8))


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [((60, 100), []), ((100, 100), []), ((0, 40), []), ((0, 0), []), ((61, 100), [(70, 70)])],
    ids=["retention", "everything has gone", "truncated", "another log", "retention beside a marker"],
)
def test_what_leaves_the_log_while_it_is_read_is_not_absent(
    bounds: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    log = Log(set(range(100)) - {70} if expected else set(range(100)), 0, 100)
    log.while_read = bounds
    log.settle(Gap(0, 0, 100))
    assert log.written == absent(*expected)
