"""The ledger in ClickHouse: where offsets ended, and which did not."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from clickhouse_driver import Client

from pipeline.ledger import MAX_LENGTH, OUTCOMES, Gap, Interval, Outcome, merged
from pipeline.store.client import clear_errors
from pipeline.store.stamps import next_stamp

MOST_GAPS: Final = 10_000
"""Of one partition in one answer; more of them are one more look."""
SLICE: Final = 2**24
"""Offsets in one question. Each may be an entry of its own, and the server sorts them in memory: hence a bound, however
long a partition is."""

# Offsets are cast: of a number above 2**32 ClickHouse makes a UInt64, which has no common type with an Int64.
_LOW: Final = "toInt64(%(low)s)"
_HIGH: Final = "toInt64(%(high)s)"
_ROWS: Final = (  # the only things put in are constants
    # Clipped to the bounds; the primary key finds where to begin, because no interval is longer than MAX_LENGTH.
    f"SELECT greatest(toInt64(first), {_LOW}) AS f, least(toInt64(last), {_HIGH} - 1) AS l, toInt8(outcome) AS o "  # noqa: S608
    "FROM ledger WHERE incarnation = %(incarnation)s AND topic = %(topic)s AND `partition` = %(partition)s "
    f"AND first >= greatest({_LOW} - {MAX_LENGTH}, 0) AND first < {_HIGH} AND last >= {_LOW}"
)
_BEFORE: Final = "ORDER BY f, l ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"

_GAPS: Final = (
    "SELECT covered + 1, f FROM ("  # noqa: S608 - constants
    f"SELECT f, max(l) OVER ({_BEFORE}) AS covered, row_number() OVER (ORDER BY f, l) AS n FROM ("
    f"SELECT f, l FROM ({_ROWS}) UNION ALL SELECT {_LOW} - 1, {_LOW} - 1 UNION ALL SELECT {_HIGH}, {_HIGH})"
    ") WHERE n > 1 AND f > covered + 1 ORDER BY f LIMIT %(limit)s"
)
_LENGTHS: Final = (
    "SELECT level, sum(greatest(0, l - greatest(f - 1, covered))) FROM ("  # noqa: S608 - constants
    f"SELECT level, f, l, if(row_number() OVER (PARTITION BY level ORDER BY f, l) = 1, f - 1, "
    f"max(l) OVER (PARTITION BY level {_BEFORE})) AS covered FROM ("
    f"SELECT arrayJoin([1, 2, 3, 4]) AS level, f, l, o FROM ({_ROWS})) WHERE o <= level) GROUP BY level"
)


_MARK: Final = (
    *("incarnation", "topic", "partition", "begin", "log_begin", "log_end", "watermark", "proven", "missing"),
    "unprovable",
)
_MARK_COLUMNS: Final = ", ".join(f"`{name}`" for name in _MARK)


@dataclass(frozen=True)
class Mark:
    """What the last look at a partition saw; see the table ``ledger_marks``.

    ``age_s`` by the server's clock; 0 while it is behind the time of the look, because it was set back.
    """

    incarnation: str
    topic: str
    partition: int
    begin: int
    log_begin: int
    log_end: int
    watermark: int
    proven: int
    missing: int
    unprovable: int
    age_s: float = 0.0


class LedgerStore:
    """Reads and writes the ledger through ``client``; raises what :func:`clear_errors` does."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def write(self, found: Iterable[Interval]) -> int:
        """Add intervals and return how many. The same once more changes nothing."""
        rows = list(found)
        if rows:
            with clear_errors(self._client):
                self._client.execute(
                    "INSERT INTO ledger (incarnation, topic, `partition`, first, last, outcome) VALUES", rows
                )
        return len(rows)

    def gaps(self, incarnation: str, topic: str, partition: int, low: int, high: int) -> list[Gap]:
        """Offsets from ``low`` to ``high`` (exclusive) without an entry, the first MOST_GAPS of them in order."""
        found: list[Gap] = []
        for first in range(low, high, SLICE):
            last = min(first + SLICE, high)
            rows = self._ask(_GAPS, incarnation, topic, partition, first, last, limit=MOST_GAPS - len(found))
            found = merged([*found, *(Gap(partition, int(start), int(end)) for start, end in rows)])
            if len(found) >= MOST_GAPS:
                break
        return found

    def counts(self, incarnation: str, topic: str, partition: int, low: int, high: int) -> dict[Outcome, int]:
        """How many offsets from ``low`` to ``high`` ended how; one that ended in several ways counts once.

        See :data:`pipeline.ledger.OUTCOMES` for which.
        """
        if high <= low:
            return dict.fromkeys(OUTCOMES, 0)
        up_to = {level: int(n) for level, n in self._ask(_LENGTHS, incarnation, topic, partition, low, high)}
        found: dict[Outcome, int] = {}
        before = 0
        for level, outcome in enumerate(OUTCOMES, 1):
            covered = max(before, up_to.get(level, 0))
            found[outcome], before = covered - before, covered
        return found

    def reach(self, incarnation: str, topic: str) -> dict[int, int]:
        """Partition -> offset after the last one that has an entry."""
        with clear_errors(self._client):
            rows = self._client.execute(
                "SELECT `partition`, max(last) + 1 FROM ledger WHERE incarnation = %(i)s AND topic = %(t)s "
                "GROUP BY `partition`",
                {"i": incarnation, "t": topic},
            )
        return {int(partition): int(end) for partition, end in rows}

    def is_younger(self, incarnation: str) -> bool:
        """True when mentions of this broker are stored and none has an entry: an older build has stored them."""
        with clear_errors(self._client):
            ((entries, mentions),) = self._client.execute(
                "SELECT (SELECT count() FROM (SELECT 1 FROM ledger WHERE incarnation = %(i)s LIMIT 1)), "
                "(SELECT count() FROM (SELECT 1 FROM mentions WHERE incarnation = %(i)s LIMIT 1))",
                {"i": incarnation},
            )
        return not entries and bool(mentions)

    def mark(self, marks: Iterable[Mark]) -> None:
        """Keep what a look saw, in place of what is stored, whatever the server's clock says."""
        rows = [tuple(getattr(m, name) for name in _MARK) for m in marks]
        if rows:
            with clear_errors(self._client):
                at = next_stamp(self._client, "ledger_marks", "at")
                sql = f"INSERT INTO ledger_marks ({_MARK_COLUMNS}, at) VALUES"
                self._client.execute(sql, [(*row, at) for row in rows])

    def marks(self, incarnation: str | None = None) -> list[Mark]:
        """The last look at each partition, of all incarnations of the broker or of one."""
        where = "" if incarnation is None else " WHERE incarnation = %(i)s"
        sql = (
            f"SELECT {_MARK_COLUMNS}, "  # noqa: S608 - constants
            "greatest(toUnixTimestamp64Nano(now64(9)) - toUnixTimestamp64Nano(at::DateTime64(9)), 0) / 1e9 "
            f"FROM ledger_marks FINAL{where} ORDER BY incarnation, topic, `partition`"
        )
        with clear_errors(self._client):
            return [Mark(*row) for row in self._client.execute(sql, {"i": incarnation or ""})]

    def _ask(
        self, sql: str, incarnation: str, topic: str, partition: int, low: int, high: int, **more: int
    ) -> list[tuple[Any, ...]]:
        parameters = {"incarnation": incarnation, "topic": topic, "partition": partition, "low": low, "high": high}
        with clear_errors(self._client):
            rows: list[tuple[Any, ...]] = self._client.execute(sql, {**parameters, **more})
        return rows
