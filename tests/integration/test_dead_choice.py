"""Which letters a command of ``babelwatch dead`` takes: those that were agreed to, once, and of one broker."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import islice

import pytest
from clickhouse_driver import Client

from pipeline.cli.dead import select
from pipeline.cli.dead.work import Selected
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore, Filter
from pipeline.store.migrations import migrate
from tests.integration.dead_support import NOW, Dead, command, letter

pytestmark = pytest.mark.embedded

FIXABLE = b'{"source": "t", "id": "1", "published_at": "2026-11-27T00:00:00Z"}'


@pytest.fixture
def client(clickhouse_url: str) -> Client:
    migrate(clickhouse_url)
    return connect(clickhouse_url)


@pytest.fixture
def store(client: Client) -> DeadLetterStore:
    return DeadLetterStore(client)


@pytest.fixture
def dead(client: Client, clickhouse_url: str, make_settings: Callable[..., Settings]) -> Dead:
    return command(clickhouse_url, make_settings().data_dir)


def everything(**filters: str) -> Selected:
    none = dict.fromkeys(("reason", "stage", "topic", "since", "until", "contains"))
    return Selected((), True, none | filters)


@pytest.mark.parametrize(("filters", "agreed"), [({}, 3), ({"until": "90m"}, 2)])
def test_all_are_those_that_were_counted(
    client: Client, store: DeadLetterStore, filters: dict[str, str], agreed: int
) -> None:
    store.write([letter(1, hours=3), letter(2, hours=2), letter(3, hours=1)])
    total, pages = everything(**filters).load(client)
    assert total == agreed
    # while the question stands: a new one, one that the sink was late with, and one that was sent and died again
    store.write([letter(4), letter(5, hours=2.5), letter(1, hours=-1)])
    taken = [one.origin.offset for page in pages() for one in page]
    assert taken == [2, 3][: agreed - 1]
    assert [one.origin.offset for page in everything().load(client)[1]() for one in page] == [5, 2, 3, 4, 1]


def test_none_are_none(client: Client, store: DeadLetterStore) -> None:
    store.write([letter(1)])
    total, pages = everything(reason="invalid").load(client)
    store.write([letter(2, reason="invalid")])
    assert (total, list(pages())) == (0, [])


def test_one_that_dies_again_by_a_clock_that_is_behind_is_met_once(
    client: Client, store: DeadLetterStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(select, "PAGE", 1)
    store.write([letter(1, hours=5), letter(2, hours=3), letter(3, hours=1)])
    met = []
    for (one,) in islice(select.pages(client, Filter(state="all")), 4):
        met.append(one.origin.offset)
        # far from the end of the run: without bounds it would be the next
        store.write([replace(one, failed_at=one.failed_at + timedelta(minutes=1))])
    assert met == [1, 2, 3]


@pytest.mark.parametrize(
    "arguments",
    [
        ("purge", "mentions/3/7", "--why", "test", "--erase"),
        ("replay", "mentions/3/7", "--dry-run"),
        ("fix", "mentions/3/7", "--set", "text=hello", "--dry-run"),
    ],
)
def test_a_place_of_several_brokers_is_asked_about(
    dead: Dead, store: DeadLetterStore, arguments: tuple[str, ...]
) -> None:
    store.write(
        [letter(7, hours=1, value=FIXABLE), letter(7, hours=2, incarnation="inc-bbbb-2", value=FIXABLE), letter(8)]
    )
    before = store.list(limit=9)
    done = dead(*arguments)
    assert done.returncode == 2, done.stdout
    for name in (b"mentions/3/7@inc-aaaa (failed 20", b"mentions/3/7@inc-bbbb (failed 20"):
        assert name in done.stderr
    assert store.list(limit=9) == before
    named = dead(*(text + "@inc-bbbb" if text.endswith("/7") else text for text in arguments))
    assert named.returncode == 0, named.stderr


def test_one_that_was_purged_is_not_mistaken_for_the_open_one(dead: Dead, store: DeadLetterStore) -> None:
    store.write([letter(7, hours=1), letter(7, hours=2, incarnation="inc-bbbb-2")])
    assert dead("purge", "mentions/3/7@inc-bbbb", "--why", "test").returncode == 0
    assert dead("purge", "mentions/3/7", "--why", "a privacy request", "--erase").returncode == 2
    assert all(one.value for one in store.list(Filter(state="all")))


def test_brokers_whose_short_names_are_alike(dead: Dead, store: DeadLetterStore) -> None:
    store.write([letter(7, incarnation=name) for name in ("inc-cccc-1", "inc-cccc-12")])
    done = dead("purge", "mentions/3/7@inc-cccc", "--why", "test")
    assert done.returncode == 2
    assert b"mentions/3/7@inc-cccc-1 (" in done.stderr
    assert b"mentions/3/7@inc-cccc-12 (" in done.stderr
    assert dead("purge", "mentions/3/7@inc-cccc-1", "--why", "test").returncode == 0
    assert [one.origin.incarnation for one in store.list()] == ["inc-cccc-12"]


def test_a_letter_that_is_named_twice_is_one(client: Client, store: DeadLetterStore) -> None:
    store.write([letter(7)])
    total, pages = Selected(("mentions/3/7", "mentions/3/7@inc-aaaa"), False, {}).load(client)
    assert (total, [len(page) for page in pages()]) == (1, [1])


def test_a_rehearsal_ends_as_the_real_run_does(dead: Dead, store: DeadLetterStore) -> None:
    store.write([letter(n) for n in range(3)])
    arguments = ("fix", "--all", "--set", "text=hello", "--dry-run")
    none = dead(*arguments)
    assert (none.returncode, none.stdout) == (10, b"0 dead letters would be sent\n")
    assert none.stderr.count(b"its bytes are not JSON") == 3
    assert b"3 of 3 cannot be sent as they are; they stay open" in none.stderr

    store.write([letter(n, reason="invalid", value=FIXABLE) for n in range(10, 22)])
    some = dead(*arguments)
    assert (some.returncode, some.stdout.count(b" to mentions\n")) == (10, 10)
    assert b"12 dead letters would be sent; 10 are shown" in some.stdout
    assert b"3 of 15 cannot be sent" in some.stderr

    good = dead(*arguments, "--reason", "invalid", "--since", (NOW - timedelta(hours=1)).isoformat())
    assert (good.returncode, good.stderr) == (0, b"")
