"""Rescoring that is killed or overtaken, before each single statement and in any order: counts stay right."""

import random
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import count
from typing import cast

import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.events import AcceptedDeletion, ScoredEvent
from tests.integration.rescore_support import PLAIN, judged, rescore, rescore_controlled
from tests.integration.store_support import (
    FULL,
    OLD,
    RECENT,
    Controlled,
    Crash,
    Turns,
    alive,
    assert_rollups_equal_recount,
    crash_before,
    deleted,
    identify,
    scored,
    sweep,
    truth_of,
)
from tests.longer import few

pytestmark = pytest.mark.embedded

_tenants = count()


@pytest.fixture
def url(clickhouse_url: str) -> str:
    migrate(clickhouse_url)
    return clickhouse_url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    connection = connect(url)
    yield connection
    connection.disconnect()


def three(tenant: str) -> list[ScoredEvent]:
    return [
        scored("a", tenant=tenant, text="p", label="negative", brands=("lumora",)),
        scored("b", tenant=tenant, text="n", at=OLD, brands=("lumora", "zentavo")),
        scored("c", tenant=tenant, text="u", label="unsure", at=RECENT - timedelta(hours=1), brands=()),
    ]


AFTER = {"a": "positive", "b": "negative", "c": "neutral"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", few([2, 3], [3]))
def test_a_run_that_is_killed_before_any_statement_is_healed_by_the_next(client: Client, url: str, page: int) -> None:
    wrong_before = 0
    for at in sweep(page):
        client.execute("TRUNCATE TABLE rescore_pages")
        tenant = f"kill{page}{next(_tenants)}"
        MentionStore(client).write(three(tenant))
        killed = connect(url)
        try:
            rescore_controlled(killed, tenant, crash_before(at), page=page)
        except Crash:
            killed.disconnect()
        else:
            killed.disconnect()
            assert at >= 12, "the test crashed nowhere"
            break
        try:
            assert_rollups_equal_recount(client, tenant)
        except AssertionError:
            wrong_before += 1
        # the next run is over other mentions: it heals all the same
        rescore(client, tenant, language="nobody speaks it")
        assert_rollups_equal_recount(client, tenant)
        # ... and one over these ends what was begun
        rescore(client, tenant, page=page)
        assert {name: row[2] for name, row in judged(client, tenant).items()} == AFTER
        assert {row[0] for row in judged(client, tenant).values()} == {"new@1"}
        assert_rollups_equal_recount(client, tenant)
    assert wrong_before, "no crash fell between mentions and their counts: the test shows nothing"


def live_writers(tenant: str) -> dict[str, list[ScoredEvent]]:
    """What a sink may write at the same moment, about mention a or beside it."""
    return {
        "the old judgement again": [scored("a", tenant=tenant, text="p", label="negative")],
        "an edit": [scored("a", tenant=tenant, revision=1, text="edited", label="neutral", brands=("zentavo",))],
        "an edit elsewhere": [scored("a", tenant=tenant, revision=1, text="edited", at=OLD + timedelta(hours=5))],
        "the same revision elsewhere": [scored("a", tenant=tenant, text="p", at=RECENT + timedelta(hours=-2))],
        "a deletion": [deleted("a", tenant=tenant)],
        "a new mention of the same cell": [scored("d", tenant=tenant, text="d", label="negative", brands=("lumora",))],
    }


WRITERS = list(live_writers(""))


def assert_fate(client: Client, tenant: str, name: str) -> None:
    """Mention a after both have written, in whatever order."""
    living = alive(client, tenant)
    assert identify("b", tenant) in living
    a = living.get(identify("a", tenant))
    if name == "a deletion":
        assert a is None
        return
    assert a is not None, name
    if name.startswith("an edit"):
        assert (a["revision"], a["text"]) == (1, "edited")
    if name == "the same revision elsewhere":
        assert a["published_at"] == RECENT + timedelta(hours=-2), "the earlier time stays"
    if name == "the old judgement again":
        assert judged(client, tenant)["a"][:3] == ("new@1", PLAIN.name, "positive")
    assert_rollups_equal_recount(client, tenant)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", few(WRITERS, ["an edit"]))
def test_a_sink_that_writes_before_any_statement_of_a_rescore(client: Client, url: str, name: str) -> None:
    other = connect(url)
    for at in sweep(WRITERS.index(name)):
        tenant = f"live{next(_tenants)}"
        MentionStore(client).write(three(tenant))

        def stall(n: int, at: int = at, tenant: str = tenant) -> None:
            if n == at:
                MentionStore(other).write(live_writers(tenant)[name])

        wrapped = rescore_controlled(client, tenant, stall)
        if wrapped.statements <= at:
            assert at >= 12, "the sink never came in between"
            break
        assert_fate(client, tenant, name)
        assert_rollups_equal_recount(client, tenant)
    other.disconnect()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", few(WRITERS, ["an edit"]))
def test_a_rescore_that_runs_before_any_statement_of_a_sink(client: Client, url: str, name: str) -> None:
    other = connect(url)
    for at in sweep(WRITERS.index(name)):
        tenant = f"sink{next(_tenants)}"
        MentionStore(client).write(three(tenant))

        def stall(n: int, at: int = at, tenant: str = tenant) -> None:
            if n == at:
                rescore(other, tenant)

        wrapped = Controlled(client, stall)
        MentionStore(cast(Client, wrapped)).write(live_writers(tenant)[name])
        if wrapped.statements <= at:
            assert at >= 5, "the rescore never came in between"
            break
        assert_fate(client, tenant, name)
        assert_rollups_equal_recount(client, tenant)
    other.disconnect()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_runs_with_different_models_at_once(client: Client, url: str) -> None:
    other = connect(url)
    for at in sweep():
        tenant = f"two{next(_tenants)}"
        MentionStore(client).write(three(tenant))

        def stall(n: int, at: int = at, tenant: str = tenant) -> None:
            if n == at:
                rescore(other, tenant, model="other@2")

        wrapped = rescore_controlled(client, tenant, stall)
        assert_rollups_equal_recount(client, tenant)
        assert {row[0] for row in judged(client, tenant).values()} <= {"new@1", "other@2"}
        if wrapped.statements <= at:
            break
    other.disconnect()


def test_a_rescore_of_a_mention_that_turns_out_to_be_elsewhere(client: Client) -> None:
    """The mention turns out to be elsewhere while a rescore has read it here: it is in one place, and counted once."""
    tenant = f"late{next(_tenants)}"
    MentionStore(client).write([scored("a", tenant=tenant, text="p")])
    elsewhere = scored("a", tenant=tenant, text="p", at=RECENT - timedelta(hours=1), label="negative")

    def appear(n: int) -> None:
        if n != 6:  # the page was read
            return
        client.execute(
            "INSERT INTO mention_locations (tenant, mention_id, published_at, truth, cell, rank, batch) SELECT tenant, "
            "mention_id, published_at - INTERVAL 1 HOUR, truth, 1, rank + 1000, 1 FROM mention_locations "
            "WHERE tenant = %(t)s",
            {"t": tenant},
        )
        MentionStore(client).write([elsewhere])

    rescore_controlled(client, tenant, appear)
    (row,) = alive(client, tenant).values()
    assert row["published_at"] == RECENT - timedelta(hours=1)
    assert_rollups_equal_recount(client, tenant)
    rescore(client, tenant)
    assert judged(client, tenant)["a"][2] == "positive"
    assert_rollups_equal_recount(client, tenant)


@st.composite
def an_event(draw: st.DrawFn) -> dict[str, object]:
    return {
        "name": draw(st.sampled_from("abc")),
        "deletion": draw(st.integers(0, 5)) == 0,
        "revision": draw(st.integers(0, 1)),
        "at": draw(st.sampled_from((RECENT, RECENT + timedelta(seconds=65), OLD))),
        "label": draw(st.sampled_from(("negative", "neutral", "positive", "unsure"))),
        "text": draw(st.sampled_from(("n", "p"))),
    }


def made(facts: dict[str, object], tenant: str) -> ScoredEvent:
    facts = dict(facts)
    name = str(facts.pop("name"))
    if facts.pop("deletion"):
        return deleted(name, revision=cast(int, facts["revision"]), tenant=tenant)
    return scored(name, tenant=tenant, **facts)  # type: ignore[arg-type]


BOUNDED = settings(
    max_examples=20 if FULL else 8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
@BOUNDED
@given(
    before=st.lists(an_event(), min_size=1, max_size=4),
    batch=st.lists(an_event(), min_size=1, max_size=3),
    schedule=st.lists(st.integers(0, 2), max_size=60),
)
def test_a_sink_and_two_rescores_in_any_order(
    client: Client,
    url: str,
    before: list[dict[str, object]],
    batch: list[dict[str, object]],
    schedule: list[int],
) -> None:
    tenant = f"turns{next(_tenants)}"
    first, second = [made(f, tenant) for f in before], [made(f, tenant) for f in batch]
    MentionStore(client).write(first)
    work: list[Callable[[Client], object]] = [
        lambda own: MentionStore(own).write(second),
        lambda own: rescore(own, tenant, model="new@1", page=2),
        lambda own: rescore(own, tenant, model="other@2"),
    ]
    turns = Turns(schedule, len(work))
    failures: list[BaseException] = []

    def run(number: int) -> None:
        own = connect(url)
        try:
            work[number](cast(Client, Controlled(own, turns.before(number))))
        except BaseException as error:
            failures.append(error)
        finally:
            turns.ended(number)
            own.disconnect()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert_rollups_equal_recount(client, tenant)
    best: dict[str, int] = {}
    gone: dict[str, bool] = {}
    for event in (*first, *second):
        if truth_of(event) > best.get(event.mention_id, -1):
            best[event.mention_id] = truth_of(event)
            gone[event.mention_id] = isinstance(event, AcceptedDeletion)
    assert alive(client, tenant).keys() == {ident for ident, deleted_ in gone.items() if not deleted_}
    rescore(client, tenant, model="last@3")
    assert {row[0] for row in judged(client, tenant).values()} <= {"last@3"}
    assert_rollups_equal_recount(client, tenant)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_window_that_live_traffic_writes_to(client: Client, url: str) -> None:
    """Two sinks deliver an overlapping stream with repeats, edits and deletions while a rescore runs over all of it."""
    rng = random.Random(11)
    tenant = f"traffic{next(_tenants)}"
    stream: list[ScoredEvent] = []
    for n in range(300):
        name, revision = f"m{rng.randrange(120)}", rng.randrange(3)
        if rng.random() < 0.08:
            stream.append(deleted(name, revision=revision, tenant=tenant))
        else:
            at = rng.choice((RECENT, OLD)) + timedelta(seconds=rng.randrange(3000))
            stream.append(scored(name, revision=revision, at=at, text=f"{n} {rng.choice('nup')}", tenant=tenant))
    MentionStore(client).write(stream[:100])
    failures: list[BaseException] = []
    done = threading.Event()

    def sink(seed: int) -> None:
        own, mine = connect(url), random.Random(seed)
        try:
            for _ in range(10):
                start, size = mine.randrange(280), mine.randrange(1, 60)
                MentionStore(own).write(stream[start : start + size])
        except BaseException as error:
            failures.append(error)
        finally:
            own.disconnect()

    def again() -> None:
        own = connect(url)
        try:
            while not done.is_set():
                rescore(own, tenant, page=17)
        except BaseException as error:
            failures.append(error)
        finally:
            own.disconnect()

    sinks = [threading.Thread(target=sink, args=(seed,)) for seed in range(2)]
    rescoring = threading.Thread(target=again)
    for thread in (*sinks, rescoring):
        thread.start()
    for thread in sinks:
        thread.join()
    done.set()
    rescoring.join()
    assert not failures, failures
    assert_rollups_equal_recount(client, tenant)
    MentionStore(client).write(stream)  # the whole topic again, judged by the old model
    _, after = rescore(client, tenant)
    assert after.remaining == 0
    assert {row[0] for row in judged(client, tenant).values()} == {"new@1"}
    assert_rollups_equal_recount(client, tenant)
