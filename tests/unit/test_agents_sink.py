"""The store's retries and its search for the row that is refused, with a table in memory."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from agents import backoff, control
from agents.backoff import Stopping
from agents.control import Control
from agents.sink import Store, all_late, may_pass
from pipeline.errors import ClickHouseRefused, ClickHouseUnavailable, RowsRefused
from tests.integration.store_support import NOW, deleted


class Table:
    """Stands in for ClickHouse: keeps rows once, refuses negative ones, and may be away."""

    def __init__(self) -> None:
        self.rows: set[int] = set()
        self.away = 0
        self.writes = 0
        self.connections = 0

    def connect(self, url: str) -> "Table":
        self.connections += 1
        return self

    def disconnect(self) -> None:
        """A client that is thrown away."""

    def write(self, client: Any, rows: Sequence[int]) -> int:
        self.writes += 1
        if self.away:
            self.away -= 1
            raise ClickHouseUnavailable("away")
        self.rows.update(row for row in rows if row >= 0)  # a part may be durable before the error
        if any(row < 0 for row in rows):
            raise RowsRefused("negative")
        return len(rows)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setattr(backoff.Backoff, "next_s", lambda self: 0.0)
    return Table()


def store(table: Table) -> Store[int, int]:
    return Store("clickhouse://somewhere", table.write, Control("sink"), connect=table.connect)


async def test_a_batch_is_one_write() -> None:
    table = Table()
    assert await store(table).write(range(10)) == ([10], [])
    assert (table.writes, table.rows) == (1, set(range(10)))


@pytest.mark.parametrize(
    ("ages_s", "late"),
    [((), False), ((1,), False), ((3,), True), ((9, 600, 2.5), True), ((600, 0.5, 9), False), ((-5,), False)],
)
def test_a_batch_is_late_when_its_freshest_event_is(ages_s: tuple[float, ...], late: bool) -> None:
    events = [replace(deleted("gone"), received_at=NOW - timedelta(seconds=age)) for age in ages_s]
    assert all_late(events, NOW) is late


async def test_nothing_is_no_write() -> None:
    table = Table()
    assert await store(table).write([]) == ([], [])
    assert table.writes == 0


async def test_it_waits_while_clickhouse_is_away_and_connects_anew(table: Table) -> None:
    table.away = 5
    assert await store(table).write([1, 2]) == ([2], [])
    assert table.rows == {1, 2}
    assert table.connections == 6


async def test_only_the_refused_rows_are_left(table: Table) -> None:
    rows = [*range(50), -1, *range(50, 99), -2]
    outcomes, refused = await store(table).write(rows)
    assert table.rows == set(range(99))
    assert sum(outcomes) == 99
    assert [(row, type(error)) for row, error in refused] == [(-1, RowsRefused), (-2, RowsRefused)]


async def test_an_outage_in_the_middle_of_the_search_loses_nothing(table: Table) -> None:
    the_store = store(table)
    table.away = 1
    outcomes, refused = await the_store.write([1, -1, 2])
    assert (sum(outcomes), [row for row, _ in refused], table.rows) == (2, [-1], {1, 2})


async def test_a_worker_that_has_to_end_leaves_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "FINISH_S", 0.0)
    monkeypatch.setattr(control, "DRAIN_S", 3600.0)
    table = Table()
    table.away = 10**9
    ending = Control("sink")
    writing = asyncio.ensure_future(
        Store("clickhouse://somewhere", table.write, ending, connect=table.connect).write([1])
    )
    await asyncio.sleep(0)
    ending.stop_requested()
    with pytest.raises(Stopping):
        await asyncio.wait_for(writing, 30)
    assert table.rows == set()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ClickHouseUnavailable("away"), True),
        (ClickHouseRefused("password"), True),
        (ConnectionResetError(), True),
        (RowsRefused("type"), False),
        (ValueError("cannot encode"), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_pass(error: BaseException, expected: bool) -> None:
    assert may_pass(error) is expected
