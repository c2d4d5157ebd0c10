"""Which rollup cells a batch touched, and the SQL that counts them again; pure, no connection.

A *cell* is one row of a rollup: a window of time and its dimensions. A cell is never added to, it is recomputed from
the truth and written as an absolute number with a stamp of when its computation began; the latest beginning wins.
That is right under redelivery, zombies and concurrent writers because every writer recomputes, after its own rows are
in, all cells that its mentions were ever in (``mention_locations``). A cell without mentions is written as zeros.

==============  ==========  ==================================  ====================================
table           window      dimensions                          computed from
==============  ==========  ==================================  ====================================
rollup_recent   10 s        brand, language, source, label      mentions FINAL, the last 12 hours
rollup_minute   60 s        brand, label                        rollup_recent, older: mentions FINAL
rollup_hour     3,600 s     brand, language, source, label      rollup_recent, older: mentions FINAL
==============  ==========  ==================================  ====================================

So the cost of a live batch depends on what one hour of rollup_recent holds, not on the history.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

SLOT_S: Final = 10
MINUTE_S: Final = 60
HOUR_S: Final = 3600

RECENT_S: Final = 12 * HOUR_S
"""How far back rollup_recent reaches (the TTL of its table)."""
TRUSTED_S: Final = 11 * HOUR_S
"""Minutes and hours that begin within it are added up from rollup_recent; an hour short of the TTL, so that none of
their slots expires between the decision and the read."""
RECENT_END_S: Final = 4_102_444_800
"""2100-01-01: slots are DateTime (32 bits), so mentions dated later are counted from `mentions` alone."""

MAX_RANGES: Final = 64
"""Ranges of time in one statement. Measured: 256 gain nothing, and 1,000 take ClickHouse over a minute to analyse."""
MAX_PARTITIONS: Final = 90
"""ClickHouse refuses an insert into more than 100 partitions (code 252)."""

LABEL_TYPE: Final = "Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1, 'unsure' = 2)"
SUMS: Final = (
    "mentions",
    "confidence_sum",
    "negative_sum",
    "neutral_sum",
    "positive_sum",
    "language_confidence_sum",
    "reach_sum",
)

_FROM_MENTION: Final = (
    "toUInt64(1) AS mentions",
    # of an unsure one: the greatest probability, which was not enough
    "toUInt64(multiIf(label = 'negative', negative, label = 'neutral', neutral, label = 'positive', positive, "
    "greatest(negative, neutral, positive))) AS confidence_sum",
    "toUInt64(negative) AS negative_sum",
    "toUInt64(neutral) AS neutral_sum",
    "toUInt64(positive) AS positive_sum",
    "toUInt64(language_confidence) AS language_confidence_sum",
    "reach AS reach_sum",
)


class Cell(NamedTuple):
    """A cell of rollup_recent (``start``: seconds since 1970, a multiple of 10), or of a coarser rollup."""

    tenant: str
    start: int
    brand: str
    language: str
    source: str
    label: str


@dataclass(frozen=True)
class Rollup:
    """One rollup table."""

    table: str
    window: str
    """Name of its column of time."""
    window_type: str
    seconds: int
    dimensions: tuple[str, ...]

    @property
    def structure(self) -> list[tuple[str, str]]:
        """Columns and types of the external table ``touched``."""
        types = {"label": LABEL_TYPE, self.window: self.window_type}
        return [(name, types.get(name, "String")) for name in self.key]

    @property
    def key(self) -> tuple[str, ...]:
        """Columns that name a cell."""
        return ("tenant", self.window, *self.dimensions)


RECENT: Final = Rollup("rollup_recent", "slot", "DateTime('UTC')", SLOT_S, ("brand", "language", "source", "label"))
MINUTE: Final = Rollup("rollup_minute", "minute", "DateTime64(0, 'UTC')", MINUTE_S, ("brand", "label"))
HOUR: Final = Rollup("rollup_hour", "hour", "DateTime64(0, 'UTC')", HOUR_S, ("brand", "language", "source", "label"))


@dataclass(frozen=True)
class Recount:
    """One ``INSERT ... SELECT``: run ``sql(computed_at)`` with ``params`` and the external table ``touched``."""

    rollup: Rollup
    head: str
    tail: str
    params: dict[str, str]
    touched: list[dict[str, Any]]
    windows: int

    @property
    def newest_sql(self) -> str:
        """Query for the server's clock in ns and the greatest stamp of the touched cells (0: none was counted yet)."""
        key = ", ".join(self.rollup.key)
        return (
            f"SELECT toUnixTimestamp64Nano(now64(9)), max(computed_at) FROM {self.rollup.table} "  # noqa: S608
            f"WHERE ({key}) IN (SELECT {key} FROM touched)"
        )

    def sql(self, computed_at: int) -> str:
        """``computed_at``: of :func:`computed_at`, read before this statement and after the writer's own inserts."""
        return f"{self.head}{int(computed_at)}{self.tail}"


_ORDER_NS: Final = 2**36
"""69 s: longer than any recount takes."""


def computed_at(clock_ns: int, newest_ns: int) -> int:
    """Stamp of a recount that begins when the server's clock says ``clock_ns``; the greatest stamp of a cell wins.

    ``newest_ns`` is the greatest stamp that its cells have, read in the same moment. Where the clock is not beyond it,
    the clock was set back, and the stamp goes on from ``newest_ns`` so that the count does not lose against older ones.
    The low bits of the clock go with it: of two writers that have read the same ``newest_ns``, the one that began last
    still wins.
    """
    return clock_ns if clock_ns > newest_ns else newest_ns + 1 + clock_ns % _ORDER_NS


def cells_of(tenant: str, second: int, brands: Iterable[str], language: str, source: str, label: str) -> Iterator[Cell]:
    """Cells of rollup_recent in which one mention counts: the total (brand ``""``) and one per brand."""
    start = second - second % SLOT_S
    yield Cell(tenant, start, "", language, source, label)
    for brand in brands:
        yield Cell(tenant, start, brand, language, source, label)


def recount_recent(cells: Iterable[Cell], now_s: int) -> list[Recount]:
    """Statements for the cells of the last 12 hours (and the future) at ``now_s``, the server's clock in seconds."""
    return _recounts(RECENT, {c for c in cells if now_s - RECENT_S <= c.start < RECENT_END_S}, from_recent=False)


def recount_coarse(cells: Iterable[Cell], now_s: int) -> list[Recount]:
    """Statements for the minutes and hours of ``cells``; to be run after those of :func:`recount_recent`."""
    minutes = {Cell(c.tenant, c.start - c.start % MINUTE_S, c.brand, "", "", c.label) for c in cells}
    hours = {c._replace(start=c.start - c.start % HOUR_S) for c in cells}
    result: list[Recount] = []
    for rollup, wanted in ((MINUTE, minutes), (HOUR, hours)):
        recent = {c for c in wanted if now_s - TRUSTED_S <= c.start < RECENT_END_S}
        result += _recounts(rollup, recent, from_recent=True)
        result += _recounts(rollup, wanted - recent, from_recent=False)
    return result


def _recounts(rollup: Rollup, cells: set[Cell], *, from_recent: bool) -> list[Recount]:
    by_window: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        by_window.setdefault((cell.tenant, cell.start), []).append(cell)
    return [
        _recount(rollup, ranges, [c for w in windows for c in by_window[w]], len(windows), from_recent=from_recent)
        for windows, ranges in _chunks(sorted(by_window), rollup)
    ]


Range = tuple[str, int, int]
"""(tenant, first second, second after the last)."""


def _chunks(windows: Sequence[tuple[str, int]], rollup: Rollup) -> Iterator[tuple[list[tuple[str, int]], list[Range]]]:
    """Cut sorted windows so that none has more than MAX_RANGES ranges or MAX_PARTITIONS partitions."""
    chunk: list[tuple[str, int]] = []
    ranges: list[Range] = []
    partitions: set[int] = set()
    for tenant, start in windows:
        partition = start // HOUR_S if rollup is RECENT else month_of(start)
        adjacent = bool(ranges) and ranges[-1][0] == tenant and ranges[-1][2] == start
        if chunk and ((not adjacent and len(ranges) == MAX_RANGES) or len(partitions | {partition}) > MAX_PARTITIONS):
            yield chunk, ranges
            chunk, ranges, partitions, adjacent = [], [], set(), False
        chunk.append((tenant, start))
        partitions.add(partition)
        end = start + rollup.seconds
        if adjacent:
            ranges[-1] = (tenant, ranges[-1][1], end)
        else:
            ranges.append((tenant, start, end))
    if chunk:
        yield chunk, ranges


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def month_of(second: int) -> int:
    """``toYYYYMM`` of a time in seconds since 1970, which may be negative."""
    day = _EPOCH + timedelta(seconds=second)
    return day.year * 100 + day.month


def _recount(
    rollup: Rollup, ranges: Sequence[Range], cells: Sequence[Cell], windows: int, *, from_recent: bool
) -> Recount:
    tenants = sorted({r[0] for r in ranges})
    names = {tenant: f"tenant{i}" for i, tenant in enumerate(tenants)}
    time, literal = ("slot", _datetime) if from_recent else ("published_at", _datetime64)
    spans: dict[str, list[str]] = {}
    for tenant, start, end in ranges:
        spans.setdefault(tenant, []).append(f"({time} >= {literal(start)} AND {time} < {literal(end)})")
    where = " OR ".join(f"(tenant = %({names[t]})s AND ({' OR '.join(s)}))" for t, s in spans.items())
    others = [d for d in rollup.dimensions if d != "brand"]
    if from_recent:
        window = _window("1000 * toInt64(toUnixTimestamp(slot))", rollup)
        source = f"SELECT tenant, {window}, brand, {', '.join((*others, *SUMS))} FROM rollup_recent FINAL WHERE {where}"  # noqa: S608
    else:
        window = _window("toUnixTimestamp64Milli(published_at)", rollup)
        fields = ", ".join((*others, *_FROM_MENTION))
        source = (
            f"SELECT tenant, {window}, arrayJoin(arrayPushFront(brands, '')) AS brand, {fields} "  # noqa: S608
            f"FROM mentions FINAL WHERE is_deleted = 0 AND ({where})"
        )
    key = ", ".join(rollup.key)
    zeros = ", ".join(f"toUInt64(0) AS {name}" for name in SUMS)
    columns = ", ".join(("tenant", rollup.window, "brand", *others, *SUMS))
    head = (
        f"INSERT INTO {rollup.table} ({key}, {', '.join(SUMS)}, computed_at) "
        f"SELECT {key}, {', '.join(f'sum({name})' for name in SUMS)}, "
    )
    tail = (
        f" AS computed_at FROM (SELECT {columns}, 0 AS wanted FROM ({source}) "  # noqa: S608
        f"UNION ALL SELECT tenant, {rollup.window}, brand, {', '.join(others)}, {zeros}, 1 AS wanted FROM touched) "
        f"GROUP BY {key} HAVING max(wanted) = 1"
    )
    rows = [_row(rollup, cell) for cell in cells]
    return Recount(rollup, head, tail, {name: t for t, name in names.items()}, rows, windows)


def _row(rollup: Rollup, cell: Cell) -> dict[str, Any]:
    values = cell._asdict()
    return {name: cell.start if name == rollup.window else values[name] for name in rollup.key}


def _window(millis: str, rollup: Rollup) -> str:
    """Start of the window, rounded down before 1970 too, without toStartOf..., which wraps around there."""
    start = f"intDiv({millis} - positiveModulo({millis}, {rollup.seconds * 1000}), 1000)"
    made = f"toDateTime({start}, 'UTC')" if rollup is RECENT else f"fromUnixTimestamp64Second({start}, 'UTC')"
    return f"{made} AS {rollup.window}"


def _datetime(second: int) -> str:
    return f"toDateTime({second}, 'UTC')"


def _datetime64(second: int) -> str:
    return f"fromUnixTimestamp64Second(toInt64({second}), 'UTC')"
