"""Decides whether anything was lost, doubled, or counted in the wrong place. It shares nothing with the pipeline.

The truth comes from the input file (:mod:`tests.chaos.truth`), what became of it from ClickHouse by plain SQL and from
Kafka by plain offsets. Of the product only :mod:`schemas.ids` is used.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clickhouse_driver import Client

from tests.chaos import inputs
from tests.chaos.findings import (
    Collector,
    Finding,
    Letter,
    Row,
    compare_cells,
    compare_letters,
    compare_mentions,
    differing,
)
from tests.chaos.offsets import Log, read_log
from tests.chaos.truth import Truth, truth_of

RECENT_S: Final = 12 * 3600 - 120
"""How far back rollup_recent is compared: its rows go after 12 hours, and the comparison takes its time."""
_SUMS: Final = (
    ("mentions", "1"),
    ("negative_sum", "negative"),
    ("neutral_sum", "neutral"),
    ("positive_sum", "positive"),
    ("language_confidence_sum", "language_confidence"),
    ("reach_sum", "reach"),
)
_SLOW: Final = {"max_execution_time": 0, "max_bytes_before_external_group_by": 10**9}


@dataclass(frozen=True)
class Table:
    """One rollup: its column of time, the length of its windows in s, its other dimensions."""

    name: str
    window: str
    seconds: int
    dimensions: tuple[str, ...]


TABLES: Final = (
    Table("rollup_recent", "slot", 10, ("brand", "language", "source", "label")),
    Table("rollup_minute", "minute", 60, ("brand", "label")),
    Table("rollup_hour", "hour", 3600, ("brand", "language", "source", "label")),
)


@dataclass(frozen=True)
class Verdict:
    """``sent`` messages = ``stored`` ids + ``repeats`` + ``dead``, and what is wrong."""

    sent: int
    in_log: int
    stored: int
    alive: int
    repeats: int
    dead: int
    cells: dict[str, int]
    """Rollup -> cells that were compared with a recount."""
    kinds: dict[str, int]
    findings: list[Finding]


def check(client: Client, address: str, input_file: Path, say: Callable[[str], object]) -> Verdict:
    """Compare everything. Raises the driver's and kafka-python's errors: services must be well by now."""
    say("checker: reads the input file")
    truth = truth_of(inputs.read(input_file))
    say(f"checker: reads topic mentions ({truth.messages} messages were sent)")
    log = read_log(address, truth.messages, truth.poison)
    into = Collector()
    _compare_log(log, into)
    say(f"checker: compares {truth.alive} mentions")
    rows = compare_mentions(truth, _mentions(client), into)
    dead = compare_letters(truth.poison, log.poison, _letters(client), into)
    cells = {}
    for table in TABLES:
        say(f"checker: compares {table.name}")
        cells[table.name] = _compare_rollup(client, table, truth, into)
    ((stored,),) = client.execute("SELECT uniqExact(tenant, mention_id) FROM mentions FINAL", settings=_SLOW)
    if stored != truth.ids and not any(f.what in {"lost", "a mention that nobody sent"} for f in into.findings):
        into.add("ids in the table", f"{stored} with the deleted ones, {truth.ids} were sent")
    return Verdict(
        truth.messages, log.records, stored, rows, truth.repeats, dead, cells, dict(truth.kinds), into.findings
    )


def _compare_log(log: Log, into: Collector) -> None:
    if missing := log.missing:
        into.add("confirmed by the broker and not in its log", f"message {missing[0]}", len(missing))
    if log.foreign:
        into.add("a record in the log that was not sent", log.foreign[0], len(log.foreign))


def _mentions(client: Client) -> Iterator[Row]:
    for tenant, ident, published_ms, brands, *rest in client.execute_iter(
        "SELECT tenant, mention_id, toUnixTimestamp64Milli(published_at), brands, source, text, revision, "
        "toString(label), model FROM mentions FINAL WHERE is_deleted = 0",
        settings=_SLOW,
    ):
        yield Row(tenant, ident.bytes, published_ms, tuple(brands), *rest)


def _letters(client: Client) -> Iterator[Letter]:
    for topic, partition, offset, stage, reason, error, value in client.execute_iter(
        "SELECT topic, `partition`, `offset`, stage, reason, error, value FROM dead_letters FINAL",
        settings=_SLOW | {"strings_as_bytes": True},
    ):
        said = [part.decode(errors="replace") for part in (topic, stage, reason, error)]
        yield Letter(said[0], partition, offset, said[1], said[2], said[3], value)


def _compare_rollup(client: Client, table: Table, truth: Truth, into: Collector) -> int:
    """Counts by window, brand and source equal the input file; whole cells equal a recount of ``mentions``."""
    since = 0
    if table.name == "rollup_recent":
        ((now,),) = client.execute("SELECT toUnixTimestamp(now())")
        since = (now - RECENT_S) // table.seconds * table.seconds
    has_source = "source" in table.dimensions
    source = "source" if has_source else "''"
    counted = client.execute(
        f"SELECT tenant, toInt64(toUnixTimestamp({table.window})) AS at, brand, {source} AS s, sum(mentions) AS n "
        f"FROM {table.name} FINAL WHERE at >= {since} GROUP BY tenant, at, brand, s HAVING n > 0",
        settings=_SLOW,
    )
    found = {(tenant, at, brand, name): n for tenant, at, brand, name, n in counted}
    expected: dict[tuple[str, int, str, str], int] = {}
    for (tenant, start, brand, name), n in truth.windows(table.seconds).items():
        if start >= since:
            cell = (tenant, start, brand, name if has_source else "")
            expected[cell] = expected.get(cell, 0) + n
    compare_cells(f"wrong window or brand in {table.name}", expected, found, into)
    cells, wrong, example = _recount(client, table, since)
    differing(f"cells of {table.name} that differ from a recount of mentions", wrong, example, into)
    return cells


def _recount(client: Client, table: Table, since: int) -> tuple[int, int, Any]:
    """Cells, cells that differ, one of them with (counted, recounted)."""
    window = f"intDiv(toUnixTimestamp64Milli(published_at), {table.seconds * 1000}) * {table.seconds}"
    names = ", ".join(name for name, _ in _SUMS)
    others = ", ".join(f"toString({d}) AS {d}" for d in table.dimensions if d != "brand")
    key = ", ".join(("tenant", "at", *table.dimensions))
    counted = ", ".join(f"sumIf({name}, side = 0)" for name, _ in _SUMS)
    recounted = ", ".join(f"sumIf({name}, side = 1)" for name, _ in _SUMS)
    columns = ", ".join(("tenant", "at", *table.dimensions, names))
    rollup = (
        f"SELECT {columns}, 0 AS side FROM (SELECT tenant, toInt64(toUnixTimestamp({table.window})) AS at, "
        f"toString(brand) AS brand, {others}, {names} FROM {table.name} FINAL WHERE at >= {since})"
    )
    values = ", ".join(f"toUInt64({value}) AS {name}" for name, value in _SUMS)
    mentions = (
        f"SELECT {columns}, 1 AS side FROM (SELECT tenant, toInt64({window}) AS at, "
        f"toString(arrayJoin(arrayPushFront(brands, ''))) AS brand, {others}, {values} "
        f"FROM mentions FINAL WHERE is_deleted = 0 AND at >= {since})"
    )
    ((cells, wrong, example),) = client.execute(
        f"SELECT count(), countIf(a != b), anyIf((k, a, b), a != b) FROM (SELECT toString(({key})) AS k, "
        f"[{counted}] AS a, [{recounted}] AS b FROM ({rollup} UNION ALL {mentions}) GROUP BY {key})",
        settings=_SLOW,
    )
    return cells, wrong, example
