"""``babelwatch dead`` on a real ClickHouse: filters, and bytes that would like to own the terminal."""

import json
import unicodedata
from collections.abc import Callable
from datetime import timedelta

import pytest

from pipeline.cli.dead import parse_origin, parse_since
from pipeline.errors import InputError
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore
from pipeline.store.migrations import migrate
from tests.integration.dead_support import HOSTILE, NOW, Dead, command, letter


@pytest.fixture
def url(clickhouse_url: str) -> str:
    migrate(clickhouse_url)
    DeadLetterStore(connect(clickhouse_url)).write(
        [
            letter(1, hours=5),
            letter(2, hours=3, reason="invalid"),
            letter(3, hours=1, stage="sink"),
            letter(3, hours=2, incarnation="inc-bbbb-2"),
        ]
    )
    return clickhouse_url


@pytest.fixture
def dead(url: str, make_settings: Callable[..., Settings]) -> Dead:
    return command(url, make_settings().data_dir)


def harmless(shown: bytes) -> bool:
    allowed = {"\n"}
    return not [
        c for c in shown.decode() if c not in allowed and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]


def test_list_shows_the_newest_first_and_no_escapes(dead: Dead) -> None:
    done = dead("list")
    assert done.returncode == 0, done.stderr
    assert harmless(done.stdout)
    listed = [line.split()[0] for line in done.stdout.decode().splitlines()[1:5]]
    assert listed == [
        "mentions/3/3@inc-aaaa",
        "mentions/3/3@inc-bbbb",
        "mentions/3/2@inc-aaaa",
        "mentions/3/1@inc-aaaa",
    ]
    assert b"4 shown of 4 in all" in done.stdout


@pytest.mark.parametrize(
    ("filters", "offsets"),
    [
        (["--reason", "invalid"], [2]),
        (["--stage", "sink"], [3]),
        (["--since", "150m"], [3, 3]),
        (["--since", (NOW - timedelta(hours=4)).isoformat()], [3, 3, 2]),
        (["--since", "4h", "--stage", "language", "--reason", "not_json"], [3]),
        (["--limit", "1"], [3]),
        (["--reason", "nothing' OR 1=1 --"], []),
    ],
)
def test_filters(dead: Dead, filters: list[str], offsets: list[int]) -> None:
    done = dead("list", "--json", *filters)
    assert done.returncode == 0, done.stderr
    assert [int(json.loads(line)["origin"].split("@")[0].split("/")[2]) for line in done.stdout.splitlines()] == offsets
    assert done.stdout.isascii()


def test_show_escapes_what_raw_gives_as_it_is(dead: Dead) -> None:
    shown = dead("show", "mentions/3/1")
    assert shown.returncode == 0, shown.stderr
    assert harmless(shown.stdout)
    assert '\\x1b]0;owned\\x07\\x1b[2J\\u202e\\xff\\x00{"text": "ル"}\\r\\n\\x9b31m'.encode() in shown.stdout
    assert dead("show", "mentions/3/1", "--raw").stdout == HOSTILE
    assert json.loads(dead("show", "mentions/3/1", "--json").stdout)["origin"] == "mentions/3/1@inc-aaaa-1"


def test_one_place_of_two_brokers(dead: Dead) -> None:
    newest = dead("show", "mentions/3/3")
    assert b"mentions/3/3@inc-aaaa-1" in newest.stdout
    assert b"mentions/3/3@inc-bbbb" in newest.stderr
    assert b"@inc-bbbb-2" in dead("show", "mentions/3/3@inc-bbbb").stdout


def test_what_is_not_there(dead: Dead) -> None:
    missing = dead("show", "mentions/3/99")
    assert missing.returncode == 2
    assert b"no dead letter at" in missing.stderr


@pytest.mark.parametrize("text", ["", "mentions", "mentions/1", "mentions/x/1", "a b/1/2", "mentions/1/-2"])
def test_an_origin_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="TOPIC/PARTITION/OFFSET"):
        parse_origin(text)


@pytest.mark.parametrize("text", ["", "soon", "5y", "99999999w", "2026-13-01"])
def test_a_since_that_is_none(text: str) -> None:
    with pytest.raises(InputError, match="--since"):
        parse_since(text, NOW)
