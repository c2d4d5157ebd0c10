"""Every mention is counted in the windows of its own time, whatever its offset, and however late or early it comes."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_driver import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.detect import Detector, Limits
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.events import DetectedMention, ScoredMention, decode, encode
from tests.integration.store_support import FULL, NOW, SOURCE, assert_rollups_equal_recount, rollups, scored
from tests.integration.test_store_clocks import store_at
from tests.unit.test_detect import ORIGIN, Lumora, Spanish

pytestmark = pytest.mark.embedded

ANY_TIME = Limits(max_age=timedelta(days=200_000), max_future=timedelta(days=100_000))
_tenants = iter(f"t{n}" for n in range(10_000))


@pytest.fixture
def client(clickhouse_url: str) -> Iterator[Client]:
    migrate(clickhouse_url)
    connection = connect(clickhouse_url)
    yield connection
    connection.disconnect()


def through(told: Sequence[str], tenant: str) -> list[ScoredMention]:
    """Mentions as sources tell them, through the language worker's code and two encodings, scored."""
    detector = Detector(Spanish(), Lumora, limits=ANY_TIME)
    events = []
    for number, at in enumerate(told):
        raw = {"tenant": tenant, "source": SOURCE, "id": str(number), "text": "x", "published_at": at}
        event = decode(encode(detector.detect(json.dumps(raw).encode(), ORIGIN, NOW)), ("mention_detected",))
        assert isinstance(event, DetectedMention)
        made = scored(str(number), at=event.published_at, tenant=tenant, brands=())
        again = decode(encode(made), ("mention_scored",))
        assert isinstance(again, ScoredMention)
        events.append(again)
    return events


def windows(client: Client, tenant: str) -> dict[str, Counter[str]]:
    """Mentions per window, by its start in UTC, as the rollups have them; days and months added up from hours."""
    found: dict[str, Counter[str]] = {}
    for name, table, column in (
        ("slot", "rollup_recent", "slot"),
        ("minute", "rollup_minute", "minute"),
        ("hour", "rollup_hour", "hour"),
        ("day", "rollup_hour", "substring(toString(hour), 1, 10)"),
        ("month", "rollup_hour", "concat(substring(toString(hour), 1, 7), '-01')"),
    ):
        rows = client.execute(
            f"SELECT toString({column}) AS w, sum(mentions) AS n FROM {table} FINAL "
            "WHERE tenant = %(t)s AND brand = '' GROUP BY w HAVING n > 0",
            {"t": tenant},
        )
        found[name] = Counter({str(w): int(n) for w, n in rows})
    return found


def expected(instants: Sequence[datetime]) -> dict[str, Counter[str]]:
    """The same from instants in UTC, by Python's calendar alone."""
    found: dict[str, Counter[str]] = {name: Counter() for name in ("slot", "minute", "hour", "day", "month")}
    for at in instants:
        if NOW - timedelta(hours=11) < at < datetime(2100, 1, 1, tzinfo=UTC):
            found["slot"][f"{at:%Y-%m-%d %H:%M}:{at.second // 10}0"] += 1
        found["minute"][f"{at:%Y-%m-%d %H:%M}:00"] += 1
        found["hour"][f"{at:%Y-%m-%d %H}:00:00"] += 1
        found["day"][f"{at:%Y-%m-%d}"] += 1
        found["month"][f"{at:%Y-%m}-01"] += 1
    return found


def check(client: Client, told: Sequence[str], instants: Sequence[datetime]) -> None:
    tenant = next(_tenants)
    MentionStore(client).write(through(told, tenant))
    assert windows(client, tenant) == expected(instants)
    assert_rollups_equal_recount(client, tenant)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


MS = timedelta(milliseconds=1)
EDGES = [
    utc(2026, 11, 23, 12, 0, 10),  # ten seconds
    utc(2026, 11, 23, 12, 1),  # a minute
    utc(2026, 11, 23, 13),  # an hour
    utc(2026, 11, 24),  # a day
    utc(2026, 12, 1),  # a month
    utc(2027, 1, 1),  # a year
    utc(2024, 2, 29),
    utc(2024, 3, 1),  # the end of a leap day
    utc(2100, 3, 1),  # not after a leap day; and the end of the slots of ten seconds
    utc(1970, 1, 1),  # DateTime begins
    utc(2106, 2, 7, 6, 28, 16),  # ... and ends
    utc(2038, 1, 19, 3, 14, 8),
]


def test_the_edges_of_every_window(client: Client) -> None:
    instants = [edge + step for edge in EDGES for step in (-MS, timedelta(0), MS)]
    check(client, [at.isoformat() for at in instants], instants)


ZONES = {
    "Europe/Berlin": [(2026, 3, 29), (2026, 10, 25)],
    "America/New_York": [(2026, 3, 8), (2026, 11, 1)],
    "America/St_Johns": [(2026, 3, 8), (2026, 11, 1)],  # -03:30
    "Australia/Lord_Howe": [(2026, 4, 5), (2026, 10, 4)],  # by half an hour
    "Africa/Casablanca": [(2026, 2, 15), (2026, 3, 22)],  # for Ramadan
    "Asia/Kathmandu": [(2026, 3, 29)],  # +05:45, always
    "Pacific/Chatham": [(2026, 4, 5), (2026, 9, 27)],  # +12:45
}


@pytest.mark.parametrize("zone", ZONES)
def test_days_on_which_clocks_change(client: Client, zone: str) -> None:
    """Told in local time with its offset, every ten minutes of the day: 23, 24 or 25 hours of it."""
    told, instants = [], []
    for day in ZONES[zone]:
        at = datetime(*day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        while at.astimezone(ZoneInfo(zone)).date() == datetime(*day).date():
            told.append(at.astimezone(ZoneInfo(zone)).isoformat())
            instants.append(at)
            at += timedelta(minutes=10)
    assert len(set(told)) == len(told), "an offset tells the two passes of a repeated hour apart"
    check(client, told, instants)


OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes))
MOMENTS = st.datetimes(datetime(1901, 1, 1), datetime(2299, 1, 1)) | st.sampled_from(
    [edge.replace(tzinfo=None) + step for edge in EDGES for step in (-MS, timedelta(0), 9 * MS)]
)


@settings(
    max_examples=20 if FULL else 5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(MOMENTS, OFFSETS), min_size=1, max_size=40))
def test_any_moment_in_any_offset(client: Client, moments: list[tuple[datetime, timedelta]]) -> None:
    instants = [at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC) for at, _ in moments]
    told = []
    for at, (_, offset) in zip(instants, moments, strict=True):
        sign, minutes = "-" if offset < timedelta(0) else "+", abs(offset) // timedelta(minutes=1)
        local = (at + offset).replace(tzinfo=None).isoformat(timespec="milliseconds")
        told.append(f"{local}{sign}{minutes // 60:02d}:{minutes % 60:02d}")
    check(client, told, instants)


def test_mentions_that_come_late_while_the_recent_rollup_expires(client: Client) -> None:
    """The same ten seconds, told at once, hours later, and long after their slot is gone."""
    at = (NOW - timedelta(minutes=50)).replace(second=3)
    second = int(at.timestamp())
    hours = [0.0, 5.0, 10.0, 10.99, 11.5, 11.99, 12.5, 13.0, 40.0]
    for number, late in enumerate(hours):
        if late > 12:
            hour = at.strftime("%Y-%m-%d %H:00:00")
            client.execute(f"ALTER TABLE rollup_recent DROP PARTITION '{hour}'")
        store_at(client, timedelta(hours=late)).write(
            [scored(f"{number}", at=at), scored(f"b{number}", at=at + 30_000 * MS)]
        )
        found = rollups(client)
        for table, size in (("rollup_minute", 60), ("rollup_hour", 3600)):
            start = second // size * size
            counts = [sums[0] for key, sums in found[table].items() if key[:2] == (start, "")]
            assert counts == [2 * number + 2], (table, late)


def test_a_future_dated_mention_is_in_its_own_window_before_and_after_that_has_come(client: Client) -> None:
    at = NOW + timedelta(minutes=14)
    for ahead in (timedelta(0), timedelta(minutes=14), timedelta(hours=1), timedelta(hours=20)):
        store_at(client, ahead).write([scored(f"{ahead}", at=at), scored("same", at=at)])
    found: dict[str, Any] = {
        table: [sums[0] for key, sums in cells.items() if key[1] == ""] for table, cells in rollups(client).items()
    }
    assert found["rollup_minute"] == found["rollup_hour"] == [5]
    assert windows(client, "default")["minute"] == Counter({f"{at:%Y-%m-%d %H:%M}:00": 5})
