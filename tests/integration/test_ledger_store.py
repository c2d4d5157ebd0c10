"""The ledger on a real ClickHouse: gaps and counts are exact, whatever overlaps."""

import random
from collections.abc import Iterator

import pytest
from clickhouse_driver import Client

import pipeline.store.ledger
from pipeline.ledger import MAX_LENGTH, OUTCOMES, Gap, Interval, Outcome, intervals
from pipeline.ledger_state import ledger_problems, ledger_state, ledger_warnings
from pipeline.store.client import connect
from pipeline.store.ledger import MOST_GAPS, LedgerStore, Mark
from pipeline.store.migrations import migrate
from schemas.events import Origin

pytestmark = pytest.mark.embedded


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    migrate(clickhouse_url)
    connection = connect(clickhouse_url)
    yield connection
    connection.disconnect()


@pytest.fixture
def store(client: Client) -> LedgerStore:
    return LedgerStore(client)


def at(offset: int, partition: int = 0, incarnation: str = "inc") -> Origin:
    return Origin(incarnation=incarnation, topic="mentions", partition=partition, offset=offset)


def test_an_empty_ledger_is_one_gap(store: LedgerStore) -> None:
    assert store.gaps("inc", "mentions", 0, 0, 10) == [Gap(0, 0, 10)]
    assert store.gaps("inc", "mentions", 0, 10, 10) == []
    assert store.counts("inc", "mentions", 0, 0, 10) == dict.fromkeys(OUTCOMES, 0)
    assert store.reach("inc", "mentions") == {}


def test_gaps_begin_and_end_where_entries_do(store: LedgerStore) -> None:
    store.write(intervals([(at(n), "stored") for n in (0, 1, 5, 6, 9)]))
    assert store.gaps("inc", "mentions", 0, 0, 12) == [Gap(0, 2, 5), Gap(0, 7, 9), Gap(0, 10, 12)]
    assert store.gaps("inc", "mentions", 0, 3, 8) == [Gap(0, 3, 5), Gap(0, 7, 8)]
    assert store.gaps("inc", "mentions", 0, 0, 1) == []
    assert store.reach("inc", "mentions") == {0: 10}


def test_other_partitions_topics_and_brokers_prove_nothing_here(store: LedgerStore) -> None:
    store.write(
        [
            Interval("inc", "mentions", 1, 0, 9, "stored"),
            Interval("inc", "mentions.detected", 0, 0, 9, "stored"),
            Interval("other", "mentions", 0, 0, 9, "stored"),
        ]
    )
    assert store.gaps("inc", "mentions", 0, 0, 10) == [Gap(0, 0, 10)]


def test_an_offset_that_ended_in_several_ways_counts_once(store: LedgerStore) -> None:
    store.write(intervals([(at(n), "repeat") for n in range(10)]))
    store.write(intervals([(at(n), "stored") for n in range(4)]))
    store.write(intervals([(at(n), "dead") for n in range(3, 6)]))
    store.write(intervals([(at(12), "absent")]))
    assert store.counts("inc", "mentions", 0, 0, 20) == {"stored": 4, "dead": 2, "repeat": 4, "absent": 1}
    assert store.counts("inc", "mentions", 0, 2, 5) == {"stored": 2, "dead": 1, "repeat": 0, "absent": 0}


def test_the_longest_interval_is_seen_from_its_last_offset(store: LedgerStore) -> None:
    first = 1_000_000
    store.write([Interval("inc", "mentions", 0, first, first + MAX_LENGTH - 1, "stored")])
    last = first + MAX_LENGTH - 1
    assert store.gaps("inc", "mentions", 0, last, last + 2) == [Gap(0, last + 1, last + 2)]


def test_the_same_interval_twice_is_one(store: LedgerStore, client: Client) -> None:
    for _ in range(2):
        store.write(intervals([(at(n), "stored") for n in range(5)]))
    assert client.execute("SELECT count() FROM ledger FINAL")[0][0] == 1


def test_random_entries_against_plain_sets(store: LedgerStore) -> None:
    rng = random.Random(20261127)
    for case in range(40):
        broker = f"inc{case}"
        ended: dict[int, set[Outcome]] = {}
        entries = []
        for _ in range(rng.randint(0, 12)):
            first = rng.randint(0, 60)
            outcome = rng.choice(OUTCOMES)
            last = first + rng.randint(0, 9)
            for n in range(first, last + 1):
                ended.setdefault(n, set()).add(outcome)
            entries.append(Interval(broker, "mentions", 0, first, last, outcome))
        store.write(entries)
        low = rng.randint(0, 30)
        high = low + rng.randint(0, 50)
        missing = {n for gap in store.gaps(broker, "mentions", 0, low, high) for n in range(gap.start, gap.end)}
        assert missing == {n for n in range(low, high) if n not in ended}, (case, entries)
        expected = dict.fromkeys(OUTCOMES, 0)
        for n in range(low, high):
            if n in ended:
                expected[min(ended[n], key=OUTCOMES.index)] += 1
        assert store.counts(broker, "mentions", 0, low, high) == expected, (case, entries)


@pytest.mark.parametrize("most", [3, MOST_GAPS])
def test_slices_change_no_answer(store: LedgerStore, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(pipeline.store.ledger, "MOST_GAPS", most)
    store.write(intervals([(at(n), "stored") for n in (0, 1, 5, 6, 9, 20, 31)]))
    expected = [(2, 5), (7, 9), (10, 20), (21, 31), (32, 40)][:most]
    for size in (1, 2, 3, 7, 10, 64):
        monkeypatch.setattr(pipeline.store.ledger, "SLICE", size)
        found = store.gaps("inc", "mentions", 0, 0, 40)
        assert [(gap.start, gap.end) for gap in found[:-1]] == expected[: len(found) - 1], size
        # the last one of a full answer may go on behind it
        assert len(found) == len(expected)
        assert found[-1].start == expected[-1][0]
        assert found[-1].end == expected[-1][1] or (most == 3 and found[-1].end < expected[-1][1])


def test_offsets_beyond_32_bits(store: LedgerStore) -> None:
    """A partition that has had 1,000 messages a second for 50 days."""
    first = 2**32 + 5
    store.write([Interval("inc", "mentions", 0, first, first + 9, "stored")])
    assert store.gaps("inc", "mentions", 0, first - 1, first + 11) == [
        Gap(0, first - 1, first),
        Gap(0, first + 10, first + 11),
    ]
    assert store.gaps("inc", "mentions", 0, 0, first) == [Gap(0, 0, first)]
    assert store.counts("inc", "mentions", 0, 0, first + 11)["stored"] == 10


def test_the_last_mark_of_a_partition_is_kept(store: LedgerStore) -> None:
    store.mark([Mark("inc", "mentions", 0, 0, 0, 10, 8, 8, 0, 0), Mark("old", "mentions", 0, 0, 0, 5, 5, 3, 2, 2)])
    store.mark([Mark("inc", "mentions", 0, 0, 0, 30, 20, 20, 0, 0)])
    (mark,) = store.marks("inc")
    assert (mark.log_end, mark.watermark, mark.proven) == (30, 20, 20)
    assert mark.age_s >= 0
    assert [m.incarnation for m in store.marks()] == ["inc", "old"]


def test_what_an_earlier_broker_took_along_is_told(store: LedgerStore) -> None:
    store.write(intervals([(at(n, incarnation="old"), "stored") for n in range(7)]))
    store.mark([Mark("old", "mentions", 0, 0, 0, 10, 7, 7, 0, 0)])
    store.write(intervals([(at(n, incarnation="new"), "stored") for n in range(4)]))
    store.mark([Mark("new", "mentions", 0, 0, 0, 5, 4, 4, 0, 0)])
    state = ledger_state(store, "new")
    assert state["broker_before"]["incarnation"] == "old"
    assert state["broker_before"]["lost"] == 3
    assert ledger_problems(state) == []
    (warning,) = ledger_warnings(state)
    assert "took 3 messages along" in warning
    # nothing can be said of "before" while nobody knows which broker this is
    assert ledger_state(store, None)["broker_before"] is None


def test_a_gap_and_a_look_that_is_missing_are_problems(store: LedgerStore) -> None:
    store.mark([Mark("inc", "mentions", 2, 0, 0, 50, 40, 30, 6, 4)])
    state = ledger_state(store, "inc")
    (problem,) = ledger_problems(state)
    assert "2 offsets of mentions" in problem
    assert "2: from 30" in problem
    assert any("4 offsets" in text for text in ledger_warnings(state))
    (stale,) = ledger_problems({**state, "gap_offsets": 0, "age_s": 500.0})
    assert "500 s" in stale
    assert ledger_problems({}) == ledger_warnings({}) == []
