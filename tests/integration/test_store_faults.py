"""Crashes and concurrent writers: before each single statement, in each order, and in random sequences."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, cast

import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.events import LABELS, UNSURE, AcceptedDeletion, Label, ScoredEvent, ScoredMention
from tests.integration.store_support import (
    FULL,
    NOW,
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

pytestmark = pytest.mark.embedded

_tenants = count()
SAME_MINUTE = RECENT + timedelta(seconds=15)
"""Another slot of ten seconds than RECENT."""


@pytest.fixture
def url(clickhouse_url: str) -> str:
    migrate(clickhouse_url)
    return clickhouse_url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    connection = connect(url)
    yield connection
    connection.disconnect()


def controlled(client: Client, before: Callable[[int], None]) -> tuple[MentionStore, Controlled]:
    wrapped = Controlled(client, before)
    return MentionStore(cast(Client, wrapped)), wrapped


def write_with_crashes(client: Client, events: Sequence[ScoredEvent], at: int) -> bool:
    """Write, crashing before statement ``at``; True when it did, False when there are fewer statements."""
    try:
        controlled(client, crash_before(at))[0].write(events)
    except Crash:
        return True
    return False


Scenario = Callable[[str], tuple[list[ScoredEvent], list[ScoredEvent]]]
"""Tenant -> (what is there before, the batch that crashes)."""

SCENARIOS: dict[str, Scenario] = {
    "new": lambda t: ([], [scored("a", tenant=t), scored("b", tenant=t, at=OLD)]),
    "edit": lambda t: (
        [scored("a", tenant=t), scored("b", tenant=t)],
        [scored("a", tenant=t, revision=1, label="negative", brands=("zentavo",), language="de")],
    ),
    "moved": lambda t: ([scored("a", tenant=t)], [scored("a", tenant=t, revision=1, at=OLD, label="positive")]),
    "unsure": lambda t: (
        [scored("a", tenant=t), scored("b", tenant=t, label="unsure")],
        [scored("a", tenant=t, revision=1, label="unsure"), scored("b", tenant=t, revision=1, label="positive")],
    ),
    "deleted": lambda t: ([scored("a", tenant=t), scored("b", tenant=t)], [deleted("a", tenant=t)]),
    "deleted first": lambda t: ([], [deleted("a", tenant=t)]),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_before_any_statement_is_healed_by_the_redelivery(client: Client, name: str) -> None:
    for at in sweep(list(SCENARIOS).index(name)):
        tenant = f"crash{next(_tenants)}"
        before, batch = SCENARIOS[name](tenant)
        MentionStore(client).write(before)
        crashed = write_with_crashes(client, batch, at)
        # redelivered with other labels: another batch, another day of the model
        again = [_relabelled(event) for event in batch]
        MentionStore(client).write([*again, scored("new", tenant=tenant)])
        assert_rollups_equal_recount(client, tenant)
        living = alive(client, tenant).keys()
        assert identify("new", tenant) in living
        assert (identify("a", tenant) in living) == (not isinstance(batch[0], AcceptedDeletion))
        if not crashed:
            assert at >= 5, "the test crashed nowhere"
            break


def _relabelled(event: ScoredEvent) -> ScoredEvent:
    if isinstance(event, AcceptedDeletion):
        return event
    every: tuple[Label, ...] = (*LABELS, UNSURE)
    label = every[(every.index(event.judgements[0].label) + 1) % len(every)]
    brands = tuple(dict.fromkeys(b.brand for b in event.brands))
    return scored(
        str(event.id),
        at=event.published_at,
        text=event.text,
        label=label,
        brands=brands,
        language=event.language.tag,
        revision=event.revision,
        tenant=event.tenant,
    )


def _first_judgement(tenant: str) -> list[ScoredEvent]:
    return [scored("a", tenant=tenant, label="negative", brands=("lumora",))]


OTHERS: dict[str, Callable[[str], list[ScoredEvent]]] = {
    "the same with another label": lambda t: [scored("a", tenant=t, label="positive", brands=("lumora", "zentavo"))],
    "an edit": lambda t: [scored("a", tenant=t, label="positive", brands=(), revision=1)],
    "an edit elsewhere": lambda t: [
        scored("a", tenant=t, label="positive", revision=1, at=RECENT - timedelta(hours=1))
    ],
    "the same revision elsewhere": lambda t: [scored("a", tenant=t, label="positive", at=RECENT + timedelta(hours=-1))],
    "a deletion": lambda t: [deleted("a", tenant=t)],
    "another mention of the same minute": lambda t: [scored("b", tenant=t, label="negative", at=SAME_MINUTE)],
    "another mention of the same cell": lambda t: [scored("b", tenant=t, label="negative", brands=("lumora",))],
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("swapped", [False, True])
def test_a_writer_that_stalls_before_any_statement_spoils_nothing(
    client: Client, url: str, name: str, swapped: bool
) -> None:
    """A zombie: it stands still before one statement while another worker does a whole batch, then goes on."""
    other = connect(url)
    for at in sweep(list(OTHERS).index(name) + swapped):
        tenant = f"zombie{next(_tenants)}"
        mine, theirs = _first_judgement(tenant), OTHERS[name](tenant)
        if swapped:
            mine, theirs = theirs, mine

        def stall(n: int, at: int = at, theirs: list[ScoredEvent] = theirs) -> None:
            if n == at:
                MentionStore(other).write(theirs)

        store, wrapped = controlled(client, stall)
        store.write(mine)
        if wrapped.statements <= at:
            assert at >= 5, "the other writer never came in between"
            break
        assert_truth(client, tenant, [*mine, *theirs])
        assert_rollups_equal_recount(client, tenant)
    other.disconnect()


def _order(event: ScoredEvent) -> tuple[int, float]:
    at = event.deleted_at if isinstance(event, AcceptedDeletion) else event.published_at
    return truth_of(event), -at.timestamp()


def assert_truth(client: Client, tenant: str, events: Sequence[ScoredEvent], *, first_stays: bool = False) -> None:
    """The greatest truth of each id is what is there; of equal ones the earlier time, there the first if known."""
    expected: dict[str, list[ScoredEvent]] = {}
    for event in events:
        known = expected.setdefault(event.mention_id, [event])
        if _order(event) > _order(known[0]):
            expected[event.mention_id] = [event]
        elif _order(event) == _order(known[0]) and not first_stays:
            known.append(event)
    got = alive(client, tenant)
    living = {ident for ident, found in expected.items() if isinstance(found[0], ScoredMention)}
    assert got.keys() == living
    for ident in living:
        row = got[ident]
        assert any(
            isinstance(event, ScoredMention)
            and row["text"] == event.text
            and row["published_at"] == event.published_at
            and row["revision"] == event.revision
            for event in expected[ident]
        ), (row, expected[ident])


def _behind(client: Client, tenant: str, at: datetime) -> None:
    """A location that the server stamped a microsecond before all others of the revision, and shows only now."""
    client.execute(
        "INSERT INTO mention_locations (tenant, mention_id, published_at, truth, cell, rank, batch) "
        "SELECT tenant, mention_id, %(at)s, truth, 1, max(rank) + 1000, 1 "
        "FROM mention_locations WHERE tenant = %(t)s GROUP BY tenant, mention_id, truth",
        {"t": tenant, "at": at.replace(tzinfo=None)},
    )


def test_of_one_revision_at_two_times_the_earlier_stays_whatever_came_first(client: Client) -> None:
    for order in ((0, 1), (1, 0)):
        tenant = f"late{next(_tenants)}"
        sent = [scored("a", tenant=tenant, at=RECENT + timedelta(hours=n), label=LABELS[n]) for n in order]
        MentionStore(client).write(sent[:1])
        _behind(client, tenant, sent[1].published_at)
        for event in (*sent, *sent, *reversed(sent)):
            MentionStore(client).write([event])
        (row,) = alive(client, tenant).values()
        assert row["published_at"] == RECENT
        assert_rollups_equal_recount(client, tenant)
        outcome = MentionStore(client).write(list(reversed(sent)))
        assert outcome.repeat + outcome.conflicting == 2, outcome


@pytest.mark.parametrize("hours", [1, -1])
def test_three_writers_of_one_revision_at_two_times(client: Client, url: str, hours: int) -> None:
    """One stands still while a delivery that the server stamped first, and showed last, is written by another.

    While the place that was seen first won, each of the two could put the tombstone at the other's place: no delivery
    brought the mention back.
    """
    other = connect(url)
    for at in sweep():
        tenant = f"three{next(_tenants)}"
        MentionStore(client).write([scored("a", tenant=tenant)])
        elsewhere = scored("a", tenant=tenant, at=RECENT + timedelta(hours=hours), label="positive")

        def stall(n: int, at: int = at, tenant: str = tenant, elsewhere: ScoredMention = elsewhere) -> None:
            if n == at:
                _behind(client, tenant, elsewhere.published_at)
                MentionStore(other).write([elsewhere])

        store, wrapped = controlled(client, stall)
        store.write([elsewhere])
        if wrapped.statements <= at:
            assert at >= 5, "the other writer never came in between"
            break
        for event in ([], [elsewhere], [scored("a", tenant=tenant)]):
            MentionStore(client).write(event)
            (row,) = alive(client, tenant).values()
            assert row["published_at"] == RECENT + timedelta(hours=min(0, hours))
        assert_rollups_equal_recount(client, tenant)
    other.disconnect()


PLACES = (
    RECENT,
    RECENT + timedelta(seconds=4),
    SAME_MINUTE,
    RECENT + timedelta(seconds=65),
    RECENT - timedelta(hours=1),
    NOW - timedelta(hours=11, minutes=30),
    OLD,
)


@st.composite
def an_event(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": draw(st.sampled_from("abc")),
        "deletion": draw(st.integers(0, 5)) == 0,
        "revision": draw(st.integers(0, 2)),
        "at": draw(st.sampled_from(PLACES)),
        "label": draw(st.sampled_from([*LABELS, UNSURE])),
        "brands": draw(st.sampled_from([(), ("lumora",), ("zentavo",), ("lumora", "zentavo")])),
        "language": draw(st.sampled_from(["en", "de"])),
        "text": draw(st.sampled_from(["x", "y"])),
    }


def made(facts: dict[str, Any], tenant: str) -> ScoredEvent:
    facts = dict(facts)
    name = facts.pop("name")
    if facts.pop("deletion"):
        return deleted(name, revision=facts["revision"], at=cast(datetime, facts["at"]), tenant=tenant)
    return scored(name, tenant=tenant, **facts)


BATCHES = st.lists(st.lists(an_event(), min_size=1, max_size=4), min_size=1, max_size=6)
BOUNDED = settings(
    max_examples=20 if FULL else 8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@BOUNDED
@given(batches=BATCHES, crashes=st.lists(st.integers(0, 12), min_size=6, max_size=6))
def test_random_batches_with_crashes_and_redeliveries(
    client: Client, batches: list[list[dict[str, Any]]], crashes: list[int]
) -> None:
    tenant = f"random{next(_tenants)}"
    events: list[ScoredEvent] = []
    for batch, at in zip(batches, crashes, strict=False):
        made_batch = [made(facts, tenant) for facts in batch]
        events += made_batch
        if write_with_crashes(client, made_batch, at):
            MentionStore(client).write(made_batch)
        assert_truth(client, tenant, events, first_stays=True)
        assert_rollups_equal_recount(client, tenant)
    MentionStore(client).write(events)  # the whole topic again
    assert_truth(client, tenant, events, first_stays=True)
    assert_rollups_equal_recount(client, tenant)


@BOUNDED
@given(
    before=st.lists(an_event(), max_size=3),
    batches=st.lists(st.lists(an_event(), min_size=1, max_size=3), min_size=2, max_size=3),
    schedule=st.lists(st.integers(0, 2), max_size=40),
)
def test_writers_whose_statements_come_in_any_order(
    client: Client,
    url: str,
    before: list[dict[str, Any]],
    batches: list[list[dict[str, Any]]],
    schedule: list[int],
) -> None:
    """Each writer runs in a thread; a schedule decides whose statement is next."""
    tenant = f"turns{next(_tenants)}"
    first = [made(facts, tenant) for facts in before]
    MentionStore(client).write(first)
    writes = [[made(facts, tenant) for facts in batch] for batch in batches]
    turns = Turns([n % len(writes) for n in schedule], len(writes))
    failures: list[BaseException] = []

    def run(number: int) -> None:
        own = connect(url)
        try:
            controlled(own, turns.before(number))[0].write(writes[number])
        except BaseException as error:
            failures.append(error)
        finally:
            turns.ended(number)
            own.disconnect()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(writes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert_truth(client, tenant, [*first, *(event for write in writes for event in write)])
    assert_rollups_equal_recount(client, tenant)


@pytest.mark.slow
def test_four_workers_at_once_with_the_same_and_different_mentions(client: Client, url: str) -> None:
    """Free-running threads: overlapping batches of the same stream with labels of their own, cut anywhere."""
    rng = random.Random(7)
    tenant = f"free{next(_tenants)}"
    stream: list[ScoredEvent] = []
    for n in range(400):
        name, revision = f"m{rng.randrange(150)}", rng.randrange(3)
        if rng.random() < 0.1:
            stream.append(deleted(name, revision=revision, tenant=tenant))
        else:
            at = rng.choice(PLACES) + timedelta(seconds=rng.randrange(30))
            stream.append(scored(name, revision=revision, at=at, text=f"t{n}", tenant=tenant))
    failures: list[BaseException] = []

    def run(seed: int) -> None:
        own, mine = connect(url), random.Random(seed)
        try:
            for _ in range(8):
                start, size = mine.randrange(350), mine.randrange(1, 80)
                MentionStore(own).write([_relabelled(e) if mine.random() < 0.5 else e for e in stream[start:][:size]])
        except BaseException as error:
            failures.append(error)
        finally:
            own.disconnect()

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert_rollups_equal_recount(client, tenant)
    MentionStore(client).write(stream)
    assert_truth(client, tenant, stream)
    assert_rollups_equal_recount(client, tenant)
