"""The loop of a rescore against a store in memory: its rate, its patience, its passes; and the rows that it makes."""

import re
from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from pipeline.errors import ClickHouseUnavailable
from pipeline.rescore import Patience, Progress, Rescore
from pipeline.sentiment.rule import DecisionRule, LogProbabilities, named
from pipeline.store import rows as r
from pipeline.store.rescore import RescoreStore
from pipeline.store.rescore_rows import COLUMNS, Place, Selection, Stored, Survey, Target, candidate, stored
from schemas.events import Judgement
from schemas.ids import truth_order

RULE = DecisionRule(named("plain"))
TARGET = Target("new@1", RULE.name, RULE.facts.name)


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def a_row(number: int, **changes: Any) -> Sequence[Any]:
    values: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    values |= {"revision": 3, "truth": truth_order(revision=3), "text": f"text {number}", "text_hash": 255}
    values |= {"published_at": 1_000 * number, "received_at": 5, "stored_at": 6, "language": "en", "reach": 0}
    values |= {"language_confidence": 995, "match_brand": ["b"], "match_start": [0], "match_end": [1], "source": "s"}
    values |= {"partition": 1, "offset": number}
    return (UUID(int=number), "neutral", *(values | changes).values())


class Memory:
    """A store of ``count`` mentions that all remain, in the interface of RescoreStore."""

    def __init__(self, count: int) -> None:
        self.left = [stored("default", a_row(n)) for n in range(1, count + 1)]
        self.written = 0
        self.pages: list[int] = []
        self.away = 0
        self.arrive: Callable[[], None] = lambda: None

    def heal(self) -> int:
        self._answer()
        return 0

    def tenants(self, selection: Selection) -> list[str]:
        return ["default"]

    def survey(self, selection: Selection, target: Target) -> Survey:
        return Survey(by_model=len(self.left))

    def page(self, tenant: str, after: Place, *_: Any, **__: Any) -> list[Stored]:
        self._answer()
        return [one for one in self.left if one.place > after][: cast(int, _[-1])]

    def log_probabilities(self, page: Sequence[Stored], model: str) -> dict[UUID, LogProbabilities]:
        return {}

    def rewrite(self, number: int, page: Sequence[Stored], judgements: Sequence[Judgement], target: Target) -> None:
        self._answer()
        assert len(page) == len(judgements)
        self.pages.append(len(page))
        self.written += len(page)
        self.left = [one for one in self.left if one not in page]
        self.arrive()

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise ClickHouseUnavailable("away")


class Model:
    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        return [(-1.0, -0.5, -2.0) for _ in texts]


def run_of(memory: Memory, clock: Clock, **options: Any) -> Rescore:
    store = cast(RescoreStore, memory)
    return Rescore(store, TARGET, RULE, Selection(), Model, clock=clock, sleep=clock.sleep, **options)


def test_the_rate_is_kept_and_the_time_left_is_told() -> None:
    clock, told = Clock(), list[Progress]()
    run = run_of(Memory(250), clock, rate=50.0, tell=told.append)
    assert run.run().remaining == 0
    assert clock.now - 100 == pytest.approx(250 / 50, abs=0.1)
    assert (run.progress.judged, run.progress.written, run.progress.inferred) == (250, 250, 250)
    assert [one.judged for one in told if one.judged] == [100, 200, 250, 250]
    assert told[-2].left_s == 0
    half = next(one for one in told if one.judged == 200)
    assert half.left_s == pytest.approx(half.seconds / 200 * 50)


def test_without_a_rate_pages_are_large_and_nothing_sleeps() -> None:
    clock, memory = Clock(), Memory(4100)
    run_of(memory, clock).run()
    assert memory.pages == [2000, 2000, 100]
    assert clock.now == 100


@pytest.mark.parametrize(("rate", "page"), [(1.0, 20), (30.0, 60), (10_000.0, 2000)])
def test_pages_are_what_two_seconds_allow_within_bounds(rate: float, page: int) -> None:
    memory = Memory(2500)
    run_of(memory, Clock(), rate=rate).run()
    assert memory.pages[0] == page


def test_a_store_that_is_away_is_waited_for_and_then_given_up() -> None:
    memory, clock = Memory(30), Clock()
    memory.away = 5
    assert run_of(memory, clock).run().remaining == 0
    memory, clock = Memory(30), Clock()
    memory.away = 10_000
    with pytest.raises(ClickHouseUnavailable):
        run_of(memory, clock, patience=Patience(20.0)).run()
    assert 20 <= clock.now - 100 <= 23


def test_what_comes_behind_the_reading_is_left_for_another_pass_but_not_for_ever() -> None:
    memory = Memory(30)

    def arrive() -> None:
        # older than what was read just now: a worker with the old model is behind
        memory.left.append(stored("default", a_row(1, published_at=-len(memory.pages))))

    memory.arrive = arrive
    run = run_of(memory, Clock())
    assert run.run().remaining == 1
    assert run.progress.passes == 5


def test_a_wish_to_stop_ends_the_page_in_hand() -> None:
    memory = Memory(500)
    run = run_of(memory, Clock(), rate=50.0, stopping=lambda: len(memory.pages) >= 2)
    assert run.run().remaining == 300
    assert memory.pages == [100, 100]


def test_only_names_of_this_rule_count_as_judged() -> None:
    target = Target("m@1", "min-log.prior-0a1b2c", "min-log.prior-0a1b2c")
    for name, same in (
        ("min-log.prior-0a1b2c", True),
        ("min-log.prior-0a1b2c+mix-99ffee", True),
        ("min-log.prior-0a1b2c+accept-0.1", False),
        ("min-log.prior-0a1b2c+mix-99ffee+accept-0.1", False),
        ("min-logxprior-0a1b2c", False),
        ("other", False),
    ):
        assert bool(re.search(target.pattern, name)) is same, name
    sure = Target("m@1", "r-1+accept-0.1", "r-1")
    assert re.search(sure.pattern, "r-1+mix-99ffee+accept-0.1")
    assert re.search(sure.pattern, "r-1+accept-0.1")
    assert not re.search(sure.pattern, "r-1")
    assert not re.search(sure.pattern, "r-1+accept-0.15")


def test_a_stored_row_becomes_the_same_row_one_generation_on() -> None:
    one = stored("default", a_row(7, truth=truth_order(revision=3, generation=41), url="https://e.x", reach=9))
    (judgement,) = RULE.judge("new@1", [(-1.0, -0.5, -2.0)], ["en"])
    item = candidate(one, judgement)
    assert item.truth == truth_order(revision=3, generation=42)
    assert r.state_of(item.truth) == r.state_of(one.truth)
    row = dict(zip(r.MENTION_COLUMNS, r.mention_row(item), strict=True))
    before = dict(zip(("mention_id", "label", *COLUMNS), a_row(7, url="https://e.x", reach=9), strict=True))
    same = {"source", "revision", "text", "text_hash", "published_at", "received_at", "language", "match_start", "url"}
    assert {name: row[name] for name in same} == {name: before[name] for name in same}
    assert (row["language_confidence"], row["reach"], row["brands"]) == (995, 9, ["b"])
    assert (row["model"], row["label"]) == ("new@1", "neutral")
