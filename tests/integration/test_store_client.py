"""Errors of a real ClickHouse: what passes by itself is told from what does not, and the store goes on afterwards."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from clickhouse_driver import Client

from pipeline.errors import ClickHouseRefused, ClickHouseUnavailable
from pipeline.kafka.deadletter import DeadLetter
from pipeline.store.client import clear_errors, connect, server_version, wait_for
from pipeline.store.deadletters import DeadLetterStore, Filter
from pipeline.store.mentions import MentionStore, WriteOutcome
from pipeline.store.migrations import migrate
from schemas.events import Origin
from tests.integration.store_support import assert_rollups_equal_recount, scored

pytestmark = pytest.mark.embedded


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    migrate(clickhouse_url)
    connection = connect(clickhouse_url)
    yield connection
    connection.disconnect()


def test_waiting_for_a_server_that_is_there(clickhouse_url: str) -> None:
    wait_for(clickhouse_url, 10)
    assert server_version(connect(clickhouse_url, database="")).count(".") >= 2


def test_a_wrong_password_is_refused_at_once(clickhouse_url: str) -> None:
    naps: list[float] = []
    with pytest.raises(ClickHouseRefused, match="code 516"):
        wait_for(clickhouse_url.replace("@", "-no@", 1), 60, sleep=naps.append)
    assert naps == []


@pytest.mark.parametrize(
    ("setting", "code"),
    [("min_free_disk_bytes_to_perform_insert = 1000000000000000", 243), ("parts_to_throw_insert = 1", 252)],
)
@pytest.mark.parametrize("table", ["mention_locations", "mentions", "judgements", "rollup_recent", "rollup_hour"])
def test_a_full_disk_and_too_many_parts_pass(client: Client, setting: str, code: int, table: str) -> None:
    """A limit of the table stands in for the disk: ClickHouse raises the very errors."""
    store = MentionStore(client)
    store.write([scored("a")])
    client.execute(f"SYSTEM STOP MERGES {table}")
    store.write([scored("b"), scored("c")])
    client.execute(f"ALTER TABLE {table} MODIFY SETTING {setting}")
    with pytest.raises(ClickHouseUnavailable, match=f"code {code}.*it is tried again"):
        store.write([scored("d")])
    client.execute(f"ALTER TABLE {table} RESET SETTING {setting.partition(' ')[0]}")
    client.execute(f"SYSTEM START MERGES {table}")
    store.write([scored("d")])
    assert client.execute("SELECT uniqExact(mention_id) FROM mentions FINAL") == [(4,)]
    assert_rollups_equal_recount(client)


def test_tables_that_are_not_there_say_what_to_run(clickhouse_url: str) -> None:
    fresh = connect(clickhouse_url)
    with pytest.raises(ClickHouseRefused, match="babelwatch migrate"):
        MentionStore(fresh).write([scored("a")])
    migrate(clickhouse_url)
    fresh.execute("DROP TABLE judgements")
    with pytest.raises(ClickHouseRefused, match=r"code 60.*babelwatch migrate"):
        MentionStore(fresh).write([scored("a")])


def test_a_query_that_takes_too_long_is_unavailable_and_the_client_goes_on(clickhouse_url: str) -> None:
    migrate(clickhouse_url)
    hasty = connect(clickhouse_url, max_execution_time=0.2)
    with pytest.raises(ClickHouseUnavailable, match="code 159"), clear_errors(hasty):
        hasty.execute("SELECT sum(sleepEachRow(0.1)) FROM numbers(30) SETTINGS max_block_size = 1")
    assert hasty.execute("SELECT 1") == [(1,)]


def test_a_lost_connection_is_made_again(client: Client) -> None:
    store = MentionStore(client)
    store.write([scored("a")])
    client.connection.socket.shutdown(2)
    try:
        outcome = store.write([scored("b")])
    except ClickHouseUnavailable:  # as the agent does
        outcome = store.write([scored("b")])
    assert outcome == WriteOutcome(stored=1)
    assert_rollups_equal_recount(client)


def letter(offset: int, *, value: bytes = b"\xff\x00\xfe", reason: str = "not_utf8", inc: str = "i") -> DeadLetter:
    return DeadLetter(
        value=value,
        key=b"\xfe",
        origin=Origin(incarnation=inc, topic="mentions", partition=1, offset=offset),
        stage="language",
        reason=reason,
        error="it is \ud800 broken",
        failed_at=datetime(2026, 11, 23, 18, 0, offset, tzinfo=UTC),
        headers=(("trace", b"\xff"), ("trace", b"2")),
    )


def test_dead_letters_keep_the_bytes_and_count_origins(client: Client) -> None:
    store = DeadLetterStore(client)
    assert store.write([]) == 0
    assert store.list() == []
    assert store.write([letter(1), letter(2, value=b"", reason="invalid"), letter(1)]) == 3
    store.write([letter(1), letter(3, inc="j", value=b"x" * 3_000_000)])
    assert (store.count(), store.count("i"), store.count("j"), store.count("k")) == (3, 2, 1, 0)
    assert store.by_reason() == {("language", "not_utf8"): 2, ("language", "invalid"): 1}
    assert store.by_reason("i") == {("language", "invalid"): 1, ("language", "not_utf8"): 1}
    newest, middle, oldest = store.list()
    assert len(newest.value) == 3_000_000
    assert (middle.value, middle.reason) == (b"", "invalid")
    expected = letter(1)
    assert (oldest.value, oldest.key, oldest.headers) == (expected.value, expected.key, expected.headers)
    assert (oldest.origin, oldest.failed_at, oldest.error) == (expected.origin, expected.failed_at, "it is ? broken")
    # from there to a record of the topic and back
    assert DeadLetter.from_record(oldest.value, oldest.key, oldest.to_headers()) == oldest


def test_dead_letters_are_found_by_reason_and_origin(client: Client) -> None:
    store = DeadLetterStore(client)
    store.write([letter(n, reason="invalid" if n % 2 else "not_json") for n in range(10)])
    assert [found.origin.offset for found in store.list(limit=2)] == [9, 8]
    assert {found.origin.offset for found in store.list(Filter(reason="invalid"))} == {1, 3, 5, 7, 9}
    assert [found.origin.offset for found in store.list(Filter(origin=letter(4).origin))] == [4]
    assert store.list(Filter(reason="'; DROP TABLE dead_letters --", stage="x", incarnation="y")) == []
    # the bytes of this query did not change how the client reads the next
    assert client.execute("SELECT 'text'") == [("text",)]
