"""``babelwatch dead purge --erase`` on a real ClickHouse: what people wrote is in no version of a row any more."""

from collections.abc import Callable

import pytest
from clickhouse_driver import Client

from pipeline.settings import Settings
from pipeline.store import dead_erasure
from pipeline.store.client import connect
from pipeline.store.dead_erasure import ERASED, erase
from pipeline.store.deadletters import DeadLetterStore, Filter
from pipeline.store.migrations import migrate
from tests.integration.dead_support import Dead, command, letter
from tests.integration.store_support import Controlled

pytestmark = pytest.mark.embedded

SECRET = b"Ada Lovelace, 12 Saint James's Square"
QUOTE = "type 'Ada Lovelace' is not one of mention, mention_deleted"
STORED = "toString(value), toString(`key`), toString(headers), error"


@pytest.fixture
def client(clickhouse_url: str) -> Client:
    migrate(clickhouse_url)
    return connect(clickhouse_url)


@pytest.fixture
def dead(client: Client, clickhouse_url: str, make_settings: Callable[..., Settings]) -> Dead:
    return command(clickhouse_url, make_settings().data_dir)


def versions(client: Client, offset: int) -> list[tuple[str, ...]]:
    """Everything that is stored of a place, what FINAL hides too."""
    sql = f"SELECT {STORED} FROM dead_letters WHERE `offset` = %(o)s ORDER BY ALL"
    return list(client.execute(sql, {"o": offset}))


def test_no_version_has_the_bytes_any_more(client: Client, dead: Dead) -> None:
    store = DeadLetterStore(client)
    for hours in (3, 2, 1):  # it died three times
        store.write([letter(7, hours=hours, value=SECRET, error=QUOTE, reason="unknown_type")])
    store.write([letter(7, incarnation="inc-bbbb-2", value=SECRET), letter(8, value=SECRET)])
    (before,) = store.list(Filter(reason="unknown_type"))

    done = dead("purge", "mentions/3/7@inc-aaaa", "--why", "a privacy request", "--erase")
    assert done.returncode == 0, done.stderr
    assert set(versions(client, 7)) - set(versions(client, 8)) == {("", "", "[]", ERASED)}

    # the facts stay, and whatever was not asked for
    (after,) = store.list(Filter(state="purged"))
    assert (after.origin, after.failed_at, after.reason) == (before.origin, before.failed_at, "unknown_type")
    assert {(one.origin.offset, one.value) for one in store.list()} == {(7, SECRET), (8, SECRET)}

    # and what is out of its reach is said
    for what in (b"mentions.dead 30, mentions 7", b"logs", b"backups"):
        assert what in done.stdout


def test_all_that_match_are_erased_in_few_statements(
    client: Client, dead: Dead, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DeadLetterStore(client)
    store.write([letter(n, value=SECRET) for n in range(5)])
    store.write([letter(9)])
    monkeypatch.setattr(dead_erasure, "AT_ONCE", 2)
    counted = Controlled(client, lambda n: None)
    erase(counted, [letter(n).origin for n in range(5)])
    assert counted.statements == 1 + 3
    assert {one.value for one in store.list(Filter(contains=SECRET))} == set()
    # what was erased and not written down, because somebody pulled the plug, is open, and is purged by the same command
    done = dead("purge", "--all", "--topic", "mentions", "--why", "a privacy request", "--erase", "--yes")
    assert (done.returncode, b"6 purged" in done.stdout) == (0, True), done.stderr
    assert {versions(client, n)[0] for n in (*range(5), 9)} == {("", "", "[]", ERASED)}
