"""What the tests of the store share: events, an independent recount, clients that crash or wait on command."""

import os
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from clickhouse_driver import Client

from schemas.events import (
    LABELS,
    UNSURE,
    AcceptedDeletion,
    BrandMatch,
    Judgement,
    Label,
    Language,
    Origin,
    ScoredEvent,
    ScoredMention,
)
from schemas.ids import mention_id, text_hash, truth_order, utc_millis

NOW = utc_millis(datetime.now(UTC)).replace(microsecond=0)
RECENT = (NOW - timedelta(minutes=20)).replace(second=0)
OLD = NOW - timedelta(days=40)
SOURCE = "test"
FULL: Final = bool(os.environ.get("BABELWATCH_TEST_FULL"))
"""The long form of the tests of crashes and races (`make test-faults`)."""
STRIDE: Final = 3


def identify(name: str, tenant: str = "default") -> str:
    return mention_id(tenant, SOURCE, name, None, None, "")


def scored(
    name: str,
    *,
    at: datetime = RECENT,
    text: str = "hello",
    label: Label = "neutral",
    brands: Sequence[str] = ("lumora",),
    language: str = "en",
    revision: int = 0,
    tenant: str = "default",
    reach: int | None = None,
    offset: int = 0,
    incarnation: str = "inc-1",
    confidence: float = 0.75,
    received_at: datetime = NOW,
) -> ScoredMention:
    # an unsure one leans to negative, not enough
    chosen, confidence = ("negative", 0.45) if label == UNSURE else (label, confidence)
    rest = (1 - confidence) / 2
    probabilities = {known: confidence if known == chosen else rest for known in LABELS}
    return ScoredMention(
        version=2 if label == UNSURE else 1,
        mention_id=identify(name, tenant),
        tenant=tenant,
        source=SOURCE,
        id=name,
        revision=revision,
        text=text,
        text_hash=text_hash(text),
        published_at=at,
        received_at=received_at,
        origin=Origin(incarnation=incarnation, topic="mentions", partition=0, offset=offset),
        language=Language(tag=language, confidence=0.9, detector="test"),
        brands=[BrandMatch(brand=brand, start=0, end=1) for brand in brands],
        reach=reach,
        judgements=[
            Judgement(
                model="test",
                rule="plain",
                label=label,
                log_probabilities=(-1.0, -1.5, -2.0),
                negative=probabilities["negative"],
                neutral=probabilities["neutral"],
                positive=probabilities["positive"],
            )
        ],
    )


def deleted(
    name: str, *, at: datetime = NOW, revision: int = 0, tenant: str = "default", offset: int = 0
) -> AcceptedDeletion:
    return AcceptedDeletion(
        mention_id=identify(name, tenant),
        tenant=tenant,
        source=SOURCE,
        revision=revision,
        deleted_at=at,
        received_at=NOW,
        origin=Origin(incarnation="inc-1", topic="mentions", partition=0, offset=offset),
    )


def truth_of(event: ScoredEvent) -> int:
    return truth_order(revision=event.revision, deleted=isinstance(event, AcceptedDeletion))


def alive(client: Client, tenant: str = "default") -> dict[str, dict[str, Any]]:
    """Mention id -> its row; fails when one is alive in two places."""
    names = ("mention_id", "text", "label", "published_at", "brands", "language", "revision")
    rows = client.execute(
        "SELECT lower(replaceAll(toString(mention_id), '-', '')), text, CAST(label, 'String'), published_at, "
        "arraySort(brands), language, revision FROM mentions FINAL WHERE is_deleted = 0 AND tenant = %(t)s",
        {"t": tenant},
    )
    found = {row[0]: dict(zip(names, row, strict=True)) for row in rows}
    assert len(found) == len(rows), "a mention is alive in two places"
    return found


Sums = tuple[int, ...]


def recount(client: Client, tenant: str = "default") -> dict[str, dict[tuple[Any, ...], Sums]]:
    """The three rollups as they must be, added up in Python from the truth."""
    rows = client.execute(
        "SELECT toUnixTimestamp64Milli(published_at), brands, language, source, CAST(label, 'String'), "
        "negative, neutral, positive, language_confidence, reach "
        "FROM mentions FINAL WHERE is_deleted = 0 AND tenant = %(t)s",
        {"t": tenant},
    )
    # Slots that are about to leave the 12 hours, or are past the range of DateTime, are the business of no test.
    now_s = int(datetime.now(UTC).timestamp())
    tables: dict[str, dict[tuple[Any, ...], list[int]]] = {
        name: defaultdict(lambda: [0] * 7) for name in ("rollup_recent", "rollup_minute", "rollup_hour")
    }
    for ms, brands, language, source, label, negative, neutral, positive, language_confidence, reach in rows:
        second = ms // 1000
        own = {"negative": negative, "neutral": neutral, "positive": positive}.get(
            label, max(negative, neutral, positive)
        )
        measures = (1, own, negative, neutral, positive, language_confidence, reach)
        for brand in ("", *brands):
            keys = {
                "rollup_minute": (second // 60 * 60, brand, label),
                "rollup_hour": (second // 3600 * 3600, brand, language, source, label),
            }
            if now_s - 12 * 3600 <= second < 4_102_444_800:
                keys["rollup_recent"] = (second // 10 * 10, brand, language, source, label)
            for table, key in keys.items():
                sums = tables[table][key]
                for i, value in enumerate(measures):
                    sums[i] += value
    return {table: {key: tuple(sums) for key, sums in cells.items()} for table, cells in tables.items()}


def rollups(client: Client, tenant: str = "default") -> dict[str, dict[tuple[Any, ...], Sums]]:
    """The three rollups as they are, cells of zeros left out."""
    result: dict[str, dict[tuple[Any, ...], Sums]] = {}
    for table, window, dimensions in (
        ("rollup_recent", "slot", ("brand", "language", "source", "CAST(label, 'String')")),
        ("rollup_minute", "minute", ("brand", "CAST(label, 'String')")),
        ("rollup_hour", "hour", ("brand", "language", "source", "CAST(label, 'String')")),
    ):
        second = f"toInt64(toUnixTimestamp({window}))" if window == "slot" else f"toUnixTimestamp64Second({window})"
        rows = client.execute(
            f"SELECT {second}, {', '.join(dimensions)}, mentions, confidence_sum, negative_sum, neutral_sum, "
            f"positive_sum, language_confidence_sum, reach_sum FROM {table} FINAL WHERE tenant = %(t)s",
            {"t": tenant},
        )
        cells = {tuple(row[:-7]): tuple(row[-7:]) for row in rows}
        assert len(cells) == len(rows), f"{table}: a cell is there twice"
        result[table] = {key: sums for key, sums in cells.items() if any(sums)}
    return result


def assert_rollups_equal_recount(client: Client, tenant: str = "default") -> None:
    """Every rollup equals a recount of the truth, and labels sum to distinct ids."""
    expected, got = recount(client, tenant), rollups(client, tenant)
    for table, cells in expected.items():
        assert got[table] == cells, table
    ids = len(alive(client, tenant))
    for table in ("rollup_minute", "rollup_hour"):
        by_label: Counter[str] = Counter()
        for key, sums in got[table].items():
            if key[1] == "":
                by_label[key[-1]] += sums[0]
        assert sum(by_label.values()) == ids, table


class Crash(Exception):
    """The worker was killed here."""


class Controlled:
    """A client that calls ``before(n)`` before its n-th statement (0, 1, ...), which may raise, wait or do anything."""

    def __init__(self, client: Client, before: Callable[[int], None]) -> None:
        self._client = client
        self._before = before
        self.statements = 0

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self._before(self.statements)
        self.statements += 1
        return self._client.execute(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def crash_before(statement: int) -> Callable[[int], None]:
    def check(n: int) -> None:
        if n == statement:
            raise Crash

    return check


class Turns:
    """Lets threads run one statement each in the order of ``schedule`` (numbers of threads); then freely."""

    def __init__(self, schedule: Sequence[int], threads: int) -> None:
        self._schedule = list(schedule)
        self._condition = threading.Condition()
        self._waiting: set[int] = set()
        self._running = set(range(threads))

    def before(self, thread: int) -> Callable[[int], None]:
        def wait(n: int) -> None:
            with self._condition:
                self._waiting.add(thread)
                self._condition.notify_all()
                # Its turn when the schedule says so and all others stand still (or have ended).
                if not self._condition.wait_for(lambda: self._turn(thread), timeout=60):
                    raise TimeoutError(f"thread {thread} waited in vain for its turn {n}")
                self._waiting.discard(thread)
                if self._schedule:
                    self._schedule.pop(0)

        return wait

    def _turn(self, thread: int) -> bool:
        if self._waiting != self._running:
            return False
        while self._schedule and self._schedule[0] not in self._running:
            self._schedule.pop(0)
        return (self._schedule[0] if self._schedule else min(self._running)) == thread

    def ended(self, thread: int) -> None:
        with self._condition:
            self._running.discard(thread)
            self._waiting.discard(thread)
            self._condition.notify_all()


def sweep(first: int = 0) -> Iterator[int]:
    """The statements before which something is to happen: 0, 1, 2 ... without end.

    All of them in the long form. Else every third, so that the suite stays short; ``first`` says where to begin, so
    that the cases of a test look at different ones.
    """
    return count() if FULL else count(first % STRIDE, STRIDE)
