"""ClickHouse's clock jumps: no count is lost, and no mention, while it is ahead, behind, or right again."""

import random
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from clickhouse_driver import Client

from pipeline.kafka.deadletter import DeadLetter
from pipeline.ledger_state import ledger_problems, ledger_state
from pipeline.metrics import CLOCK_BEHIND
from pipeline.store.client import connect
from pipeline.store.dead_actions import DeadActions
from pipeline.store.deadletters import DeadLetterStore
from pipeline.store.ledger import LedgerStore, Mark
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.events import Origin
from tests.integration.store_support import (
    FULL,
    NOW,
    RECENT,
    Controlled,
    Turns,
    alive,
    assert_rollups_equal_recount,
    identify,
    rollups,
    scored,
)

pytestmark = pytest.mark.embedded


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    migrate(clickhouse_url)
    connection = connect(clickhouse_url)
    yield connection
    connection.disconnect()


class Clocked:
    """A client to whom the server's clock is ``ahead`` by so much (negative: behind)."""

    def __init__(self, client: Any, ahead: timedelta) -> None:
        self._client = client
        self._shift = f"(now64(9) + toIntervalSecond({round(ahead.total_seconds())}))"

    def execute(self, sql: str, *args: Any, **kwargs: Any) -> Any:
        return self._client.execute(sql.replace("now64(9)", self._shift), *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def store_at(client: Any, ahead: timedelta) -> MentionStore:
    return MentionStore(cast(Client, Clocked(client, ahead)))


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "jumps",
    [
        [0 * HOUR, -1 * HOUR],
        [0 * HOUR, -1 * HOUR, -2 * HOUR, -3 * HOUR, 0 * HOUR],
        [24 * HOUR, 0 * HOUR],
        [0 * HOUR, 24 * HOUR, -1 * HOUR, 24 * HOUR, 0 * HOUR],
        [timedelta(seconds=1), timedelta(0)],
    ],
    ids=str,
)
def test_every_count_follows_whatever_the_clock_says(client: Client, jumps: Sequence[timedelta]) -> None:
    for number, ahead in enumerate(jumps):
        events = [scored(f"{number}", at=RECENT), scored("edited", at=RECENT, revision=number, label="positive")]
        store_at(client, ahead).write(events)
        found = rollups(client)
        for table in ("rollup_minute", "rollup_hour"):
            assert sum(sums[0] for key, sums in found[table].items() if key[1] == "") == number + 2, (table, ahead)
    MentionStore(client).write([scored("last", at=RECENT)])
    assert_rollups_equal_recount(client)


def test_a_clock_that_is_behind_is_a_metric(client: Client) -> None:
    MentionStore(client).write([scored("a", at=RECENT)])
    assert CLOCK_BEHIND._value.get() == 0
    store_at(client, -2 * HOUR).write([scored("b", at=RECENT)])
    assert 7190 < CLOCK_BEHIND._value.get() < 7300


def test_a_late_mention_after_the_clock_was_set_back_is_not_added_up_from_what_has_expired(client: Client) -> None:
    late = (NOW - 13 * HOUR).replace(minute=0, second=0)
    MentionStore(client).write([scored("a", at=late), scored("live", at=RECENT)])
    # by this clock it is 10 hours old, and rollup_recent should have all of its hour
    store_at(client, -3 * HOUR).write([scored("b", at=late + timedelta(minutes=5))])
    hour = int(late.timestamp())
    assert [sums[0] for key, sums in rollups(client)["rollup_hour"].items() if key[:2] == (hour, "")] == [2]


def test_a_redelivery_that_seems_to_be_the_first_does_not_make_a_mention_vanish(client: Client) -> None:
    """Two places of one revision, and a clock that is set back before each of them comes again."""
    here, there = RECENT, RECENT + HOUR / 2
    for number, place in enumerate((here, there, here, there, here)):
        MentionStore(client).write([scored("a", at=place)])
        # what a server writes whose clock was set back by another hour
        client.execute(
            "INSERT INTO mention_locations "
            "(tenant, mention_id, published_at, truth, cell, is_deleted, content, source, "
            "language, label, brands, batch, rank) SELECT tenant, mention_id, published_at, truth, cell, is_deleted, "
            "content, source, language, label, brands, batch, rank + toUInt64(%(back)s) FROM mention_locations "
            "WHERE published_at = %(place)s ORDER BY rank DESC LIMIT 1",
            {"place": place, "back": (number + 1) * 3_600_000_000_000},
        )
        MentionStore(client).write([scored("a", at=place)])
        assert list(alive(client)) == [identify("a")], number
        assert_rollups_equal_recount(client)


@pytest.mark.parametrize("seed", range(30 if FULL else 6))
def test_writers_in_any_order_after_the_clock_was_set_back(clickhouse_url: str, client: Client, seed: int) -> None:
    """The last to begin wins among those, too, whose clock is behind what is stored."""
    MentionStore(client).write([scored("first", at=RECENT)])
    rng = random.Random(seed)
    turns = Turns([rng.randrange(2) for _ in range(60)], 2)
    failures: list[BaseException] = []

    def run(number: int) -> None:
        own = connect(clickhouse_url)
        try:
            ordered = Controlled(own, turns.before(number))
            store_at(ordered, -1 * HOUR).write([scored(f"w{number}", at=RECENT)])
        except BaseException as error:
            failures.append(error)
        finally:
            turns.ended(number)
            own.disconnect()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures
    assert len(alive(client)) == 3
    assert_rollups_equal_recount(client)


def test_a_worker_whose_clock_jumps_moves_no_mention(client: Client) -> None:
    """Where the broker gives no time, received_at is the worker's clock: it decides about no window."""
    skewed = [datetime(2035, 1, 1, tzinfo=NOW.tzinfo), NOW, datetime(2001, 1, 1, tzinfo=NOW.tzinfo)]
    for received_at in skewed:
        MentionStore(client).write([scored("a", at=RECENT, received_at=received_at)])
        assert alive(client)[identify("a")]["published_at"] == RECENT
        assert_rollups_equal_recount(client)


def mark(missing: int) -> Mark:
    return Mark("inc", "mentions", 0, 0, 0, 100, 100, 100 - missing, missing, 0)


def test_the_last_look_counts_although_the_one_before_is_ahead(client: Client) -> None:
    LedgerStore(client).mark([mark(0)])
    # what a server wrote whose clock was an hour ahead
    client.execute(
        "INSERT INTO ledger_marks (* EXCEPT at, at) SELECT * EXCEPT at, now64(3) + INTERVAL 1 HOUR FROM ledger_marks"
    )
    for missing, ahead in ((30, 0 * HOUR), (20, -2 * HOUR), (10, 0 * HOUR)):
        store = LedgerStore(cast(Client, Clocked(client, ahead)))
        store.mark([mark(missing)])
        (found,) = store.marks()
        assert (found.missing, found.age_s) == (missing, 0.0)
    (problem,) = ledger_problems(ledger_state(LedgerStore(client), "inc"))
    assert "10 offsets" in problem
    # ... and an age is one again when the clock has caught up
    (found,) = LedgerStore(cast(Client, Clocked(client, 2 * HOUR))).marks()
    assert 3590 < found.age_s < 3700


def test_a_letter_that_dies_again_is_open_although_it_was_stored_ahead(client: Client) -> None:
    def letter(failed_at: datetime) -> DeadLetter:
        origin = Origin(incarnation="inc", topic="mentions", partition=0, offset=7)
        return DeadLetter(b"{", None, origin, "language", "not_json", "no JSON", failed_at)

    store = DeadLetterStore(client)
    store.write([letter(NOW)])
    client.execute(
        "INSERT INTO dead_letters (* EXCEPT stored_at, stored_at) "
        "SELECT * EXCEPT stored_at, now64(3) + INTERVAL 1 HOUR FROM dead_letters"
    )
    for number, ahead in enumerate((0 * HOUR, -2 * HOUR, 0 * HOUR), 1):
        DeadActions(client, "run").write([(letter(NOW + (number - 1) * HOUR), "")], "replayed")
        assert (store.open_count(), store.count()) == (0, 0), number
        again = letter(NOW + number * HOUR)
        DeadLetterStore(cast(Client, Clocked(client, ahead))).write([again])
        assert (store.open_count(), store.count()) == (1, 1), number
        assert store.list() == [again]
