"""The look at everything that was proved: when it is due, in what parts, and that it leaves nothing out."""

from typing import Any, cast

import pytest

from pipeline.errors import ClickHouseUnavailable
from pipeline.ledger import Gap
from pipeline.ledger_sweep import BUDGET_S, EVERY_S, Sweep
from pipeline.store.ledger import MOST_GAPS, SLICE

BEGINS = {0: 0, 1: 5}
SEEN = {0: 3 * SLICE + 7, 1: SLICE + 5, 2: 0}


class Ledger:
    """Stands in for the store: what is missing in it, and what it was asked. Each answer takes ``takes_s``."""

    def __init__(self, *missing: Gap, takes_s: float = 0.0) -> None:
        self.missing = missing
        self.asked: list[tuple[int, int, int]] = []
        self.takes_s = takes_s
        self.now = 100.0
        self.away = False

    def gaps(self, incarnation: str, topic: str, partition: int, low: int, high: int) -> list[Gap]:
        if self.away:
            raise ClickHouseUnavailable("away")
        self.now += self.takes_s
        self.asked.append((partition, low, high))
        return [gap for gap in self.missing if gap.partition == partition and low <= gap.start < high][:MOST_GAPS]

    def sweep(self) -> Sweep:
        return Sweep(cast(Any, self), "inc", lambda: self.now)


EVERYTHING = [
    *((0, n * SLICE, (n + 1) * SLICE) for n in range(3)),
    (0, 3 * SLICE, 3 * SLICE + 7),
    (1, 5, SLICE + 5),
]


def test_everything_is_looked_at_once_and_again_after_an_hour() -> None:
    gap = Gap(0, SLICE + 1, SLICE + 9)
    ledger = Ledger(gap)
    sweep = ledger.sweep()
    assert {p: gaps for p, gaps in sweep.part(BEGINS, SEEN).items() if gaps} == {0: [gap]}
    assert ledger.asked == EVERYTHING
    ledger.now += EVERY_S - 1
    assert sweep.part(BEGINS, SEEN) == {}
    ledger.now += 1
    sweep.part(BEGINS, SEEN)
    assert ledger.asked == EVERYTHING * 2


def test_a_large_ledger_is_looked_at_in_parts_of_seconds() -> None:
    last = Gap(1, SLICE, SLICE + 1)
    ledger = Ledger(last, takes_s=BUDGET_S * 0.6)
    sweep = ledger.sweep()
    parts = []
    while len(ledger.asked) < len(EVERYTHING):
        began = ledger.now
        parts.append(sweep.part(BEGINS, SEEN))
        assert BUDGET_S < ledger.now - began < 2 * BUDGET_S or len(ledger.asked) == len(EVERYTHING)
        ledger.now += 15
    assert ledger.asked == EVERYTHING
    assert len(parts) == 3
    assert parts[-1] == {1: [last]}
    # and the next hour counts from its begin
    sweep.part(BEGINS, SEEN)
    assert len(ledger.asked) == len(EVERYTHING)


def test_a_full_answer_is_gone_on_from_its_end() -> None:
    missing = [Gap(0, 2 * n, 2 * n + 1) for n in range(MOST_GAPS + 3)]
    ledger = Ledger(*missing)
    assert ledger.sweep().part({0: 0}, {0: SLICE})[0] == missing
    assert ledger.asked == [(0, 0, SLICE), (0, missing[MOST_GAPS - 1].end, SLICE)]


def test_what_was_seen_may_become_less_while_it_is_looked_at() -> None:
    ledger = Ledger(takes_s=BUDGET_S * 0.6)
    sweep = ledger.sweep()
    sweep.part(BEGINS, SEEN)
    sweep.part(BEGINS, {0: SLICE, 1: 0, 2: 0})
    assert ledger.asked == EVERYTHING[:2]


def test_after_an_error_it_begins_anew() -> None:
    ledger = Ledger(takes_s=BUDGET_S * 0.6)
    sweep = ledger.sweep()
    sweep.part(BEGINS, SEEN)
    ledger.away = True
    with pytest.raises(ClickHouseUnavailable):
        sweep.part(BEGINS, SEEN)
    ledger.away, ledger.takes_s, ledger.asked = False, 0.0, []
    sweep.part(BEGINS, SEEN)
    assert ledger.asked == EVERYTHING
