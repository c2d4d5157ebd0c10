"""The thread that looks at the ledger: what is seen of it while looks fail, with doubles of our own interfaces."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import agents.ledger
from agents.ledger import LedgerThread
from agents.progress import Position
from pipeline.errors import ClickHouseUnavailable
from pipeline.ledger_state import STALE_S
from pipeline.metrics import LEDGER_AGE, LEDGER_ERRORS, LEDGER_GAPS
from pipeline.settings import Settings
from tests.integration.worker_process import wait_until

MINE = [Position("mentions.scored", 0, None, None, None)]


class Nothing:
    """A connection that is not used."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __enter__(self) -> "Nothing":
        return self

    def __exit__(self, *_: object) -> None: ...


class Watch:
    """Finds three offsets missing in its first looks, then ClickHouse refuses."""

    looks = 0
    works = 0
    """How many looks succeed."""

    def __init__(self, *_: Any) -> None: ...

    def look(self, pause: Callable[[], bool]) -> object:
        Watch.looks += 1
        if Watch.looks > Watch.works:
            raise ClickHouseUnavailable("memory limit (code 241)")
        LEDGER_GAPS.labels("0").set(3)
        return object()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def age_s() -> float:
    return float(LEDGER_AGE.collect()[0].samples[0].value)


def gaps() -> list[float]:
    return [sample.value for sample in LEDGER_GAPS.collect()[0].samples]


def failed() -> float:
    return float(LEDGER_ERRORS._value.get())


@pytest.fixture
def looking(
    monkeypatch: pytest.MonkeyPatch, make_settings: Callable[..., Settings]
) -> Iterator[Callable[[Callable[[], list[Position]], Clock, int], Any]]:
    for name, double in (("OffsetReader", Nothing), ("RangeReader", Nothing), ("LedgerWatch", Watch)):
        monkeypatch.setattr(agents.ledger, name, double)
    settings = make_settings(kafka_brokers="127.0.0.1:1", clickhouse_url="clickhouse://u:p@127.0.0.1:1/x")
    LEDGER_GAPS.clear()

    @contextmanager
    def run(positions: Callable[[], list[Position]], clock: Clock, works: int) -> Iterator[None]:
        Watch.looks, Watch.works = 0, works
        thread = LedgerThread(settings, "inc", positions, every_s=0.01, clock=clock)
        thread.start()
        try:
            yield
        finally:
            thread.stop()
            thread._thread.join(10)

    yield run
    LEDGER_GAPS.clear()
    LEDGER_AGE.set_function(lambda: 0.0)


def test_the_age_grows_while_no_look_ever_succeeds(looking: Callable[..., Any]) -> None:
    clock = Clock()
    before = failed()
    with looking(lambda: MINE, clock, 0):
        wait_until("looks fail", lambda: failed() >= before + 3, 10)
        clock.now += STALE_S + 1
        wait_until("more looks fail", lambda: failed() >= before + 6, 10)
        assert age_s() == STALE_S + 1


def test_age_and_gaps_stay_after_an_error_and_go_with_the_partition(looking: Callable[..., Any]) -> None:
    clock = Clock()
    before = failed()
    mine = MINE
    with looking(lambda: mine, clock, 2):
        wait_until("looks fail after two", lambda: failed() >= before + 3, 10)
        clock.now += 500.0
        assert (age_s(), gaps()) == (500.0, [3.0])
        mine = []
        wait_until("nothing is shown by a worker that looks no more", lambda: not gaps() and age_s() == 0.0, 10)
