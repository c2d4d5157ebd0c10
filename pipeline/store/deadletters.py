"""Dead letters in ClickHouse: the original bytes and why, keyed by where they entered."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clickhouse_driver import Client

from pipeline.dead.states import CLOSED, CONDITIONS, REPLAYED, State
from pipeline.kafka.deadletter import DeadLetter
from pipeline.store.client import clear_errors
from pipeline.store.stamps import next_stamp
from schemas.events import Origin

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = (
    *("incarnation", "topic", "partition", "offset", "stage", "reason", "error", "failed_at"),
    *("key", "value", "headers"),
)
_SELECT: Final = ", ".join(f"`{name}`" for name in _COLUMNS)
# Values are any bytes: the driver must not decode them (the client of the store does, for its other tables).
_BYTES: Final = {"strings_as_bytes": True}


_GROUPS: Final = {"stage": "stage", "reason": "reason", "topic": "topic", "day": "toString(toDate(failed_at))"}


@dataclass(frozen=True)
class Filter:
    """Which letters; what is None does not matter. Times are aware and compare with ``failed_at``."""

    state: State = "open"
    reason: str | None = None
    stage: str | None = None
    topic: str | None = None
    incarnation: str | None = None
    origin: Origin | None = None
    place: tuple[str, int, int] | None = None
    """(topic, partition, offset) under any incarnation of the broker."""
    broker: str | None = None
    """How the incarnation begins."""
    since: datetime | None = None
    until: datetime | None = None
    contains: bytes | None = None
    """Somewhere in the bytes."""
    stored_until: datetime | None = None
    """Stored then or before, by ClickHouse's clock."""

    def sql(self) -> tuple[str, dict[str, Any]]:
        """A condition over ``dead_letters FINAL``, and its parameters."""
        wanted: dict[str, Any] = {
            "reason": self.reason,
            "stage": self.stage,
            "topic": self.topic,
            "incarnation": self.incarnation,
        }
        if self.place is not None:
            wanted |= dict(zip(("topic", "partition", "offset"), self.place, strict=True))
        if self.origin is not None:
            o = self.origin
            wanted |= {"incarnation": o.incarnation, "topic": o.topic, "partition": o.partition, "offset": o.offset}
        parameters = {name: value for name, value in wanted.items() if value is not None}
        conditions = [CONDITIONS[self.state], *(f"`{name}` = %({name})s" for name in parameters)]
        if self.since is not None:
            conditions.append("failed_at >= fromUnixTimestamp64Milli(%(since)s)")
            parameters["since"] = _millis(self.since)
        if self.until is not None:
            conditions.append("failed_at < fromUnixTimestamp64Milli(%(until)s)")
            parameters["until"] = _millis(self.until)
        if self.stored_until is not None:
            conditions.append("stored_at <= fromUnixTimestamp64Milli(%(stored_until)s)")
            parameters["stored_until"] = _millis(self.stored_until)
        if self.broker is not None:
            conditions.append("startsWith(incarnation, %(broker)s)")
            parameters["broker"] = self.broker
        if self.contains is not None:
            # As hexadecimal digits: a parameter is text, and these are any bytes.
            conditions.append("position(value, unhex(%(contains)s)) > 0")
            parameters["contains"] = self.contains.hex()
        return " AND ".join(conditions), parameters


class DeadLetterStore:
    """Reads and writes ``dead_letters`` through ``client``; raises what :func:`clear_errors` does."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def write(self, letters: Sequence[DeadLetter]) -> int:
        """Make ``letters`` durable and return how many there are. A letter of the same origin replaces the earlier.

        Also where the server's clock was set back since that one was stored.
        """
        if not letters:
            return 0
        rows = [_row(letter) for letter in letters]
        with clear_errors(self._client):
            at = next_stamp(self._client, "dead_letters", "stored_at")
            sql = f"INSERT INTO dead_letters ({_SELECT}, stored_at) VALUES"
            self._client.execute(sql, [(*row, at) for row in rows])
        return len(rows)

    def count(self, incarnation: str | None = None) -> int:
        """Distinct origins that ended as dead letters: all but those that were sent again since they died.

        Of all incarnations of the broker or of one.
        """
        return self._count(incarnation, f"NOT ({REPLAYED})")

    def open_count(self, incarnation: str | None = None) -> int:
        """Those of which nobody has disposed yet: neither sent again nor purged."""
        return self._count(incarnation, f"NOT ({CLOSED})")

    def _count(self, incarnation: str | None, state: str) -> int:
        where = "" if incarnation is None else " AND incarnation = %(i)s"
        sql = f"SELECT count() FROM dead_letters FINAL WHERE {state}{where}"  # noqa: S608 - constants
        with clear_errors(self._client):
            return int(self._client.execute(sql, {"i": incarnation or ""})[0][0])

    def by_reason(self, incarnation: str | None = None) -> dict[tuple[str, str], int]:
        """(stage, reason) -> open letters, the most frequent first."""
        wanted = Filter(incarnation=incarnation)
        return {(stage, reason): n for (stage, reason), n in self.group(wanted, ("stage", "reason")).items()}

    def group(self, wanted: "Filter", by: Sequence[str]) -> dict[tuple[str, ...], int]:
        """Letters by the values of ``by`` (stage, reason, topic, day), the most frequent first."""
        where, parameters = wanted.sql()
        names = ", ".join(_GROUPS[name] for name in by)
        sql = (
            f"SELECT {names}, count() AS n FROM dead_letters FINAL WHERE {where} "  # noqa: S608 - constants
            f"GROUP BY {', '.join(str(n + 1) for n in range(len(by)))} ORDER BY n DESC, {', '.join('123'[: len(by)])}"
        )
        with clear_errors(self._client):
            return {tuple(map(str, row[:-1])): int(row[-1]) for row in self._client.execute(sql, parameters)}

    def list(
        self, wanted: "Filter | None" = None, *, limit: int = 20, after: DeadLetter | None = None, oldest: bool = False
    ) -> "list[DeadLetter]":
        """The newest ``limit`` letters, or the ``oldest``; with ``after``, those that come after it in that order."""
        where, parameters = (wanted or Filter()).sql()
        direction, compared = ("ASC", ">") if oldest else ("DESC", "<")
        if after is not None:
            where += (
                f" AND (failed_at, incarnation, topic, `partition`, `offset`) {compared} "
                "(fromUnixTimestamp64Milli(%(after_ms)s), %(after_i)s, %(after_t)s, %(after_p)s, %(after_o)s)"
            )
            o = after.origin
            parameters |= {"after_ms": _millis(after.failed_at), "after_i": o.incarnation, "after_t": o.topic}
            parameters |= {"after_p": o.partition, "after_o": o.offset}
        order = ", ".join(
            f"{name} {direction}" for name in ("failed_at", "incarnation", "topic", "`partition`", "`offset`")
        )
        select = _SELECT.replace("`failed_at`", "toUnixTimestamp64Milli(failed_at)")
        sql = f"SELECT {select} FROM dead_letters FINAL WHERE {where} ORDER BY {order} LIMIT %(limit)s"  # noqa: S608
        with clear_errors(self._client):
            rows = self._client.execute(sql, {**parameters, "limit": limit}, settings=_BYTES)
        return [_letter(row) for row in rows]

    def as_of_now(self, wanted: "Filter") -> "Filter":
        """``wanted``, without what dies or arrives from now on: whoever agrees to a number of letters means these.

        By both clocks: one that dies again has a later ``failed_at`` (the workers' clocks), and one that the sink
        was late with may have an earlier one, but is stored later (ClickHouse's clock).
        """
        where, parameters = wanted.sql()
        newest = "toUnixTimestamp64Milli(max(failed_at)), toUnixTimestamp64Milli(max(stored_at))"
        sql = f"SELECT {newest} FROM dead_letters FINAL WHERE {where}"  # noqa: S608 - constants
        with clear_errors(self._client):
            failed_ms, stored_ms = self._client.execute(sql, parameters)[0]
        until = _EPOCH + timedelta(milliseconds=failed_ms + 1)
        return replace(
            wanted,
            until=until if wanted.until is None else min(until, wanted.until),
            stored_until=_EPOCH + timedelta(milliseconds=stored_ms),
        )

    def total(self, wanted: "Filter") -> int:
        """How many letters match."""
        where, parameters = wanted.sql()
        with clear_errors(self._client):
            rows = self._client.execute(f"SELECT count() FROM dead_letters FINAL WHERE {where}", parameters)  # noqa: S608
        return int(rows[0][0])


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _text(raw: Any) -> str:  # noqa: ANN401 - what the driver returns
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def _row(letter: DeadLetter) -> tuple[Any, ...]:
    origin = letter.origin
    return (
        *(_bytes(origin.incarnation), _bytes(origin.topic), origin.partition, origin.offset),
        *(_bytes(letter.stage), _bytes(letter.reason), _bytes(letter.error)),
        _millis(letter.failed_at),
        *(letter.key or b"", letter.value, [(_bytes(name), value) for name, value in letter.headers]),
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    incarnation, topic, partition, offset, stage, reason, error, failed_ms, key, value, headers = row
    return DeadLetter(
        value=value,
        key=key or None,
        origin=Origin(incarnation=_text(incarnation), topic=_text(topic), partition=partition, offset=offset),
        stage=_text(stage),
        reason=_text(reason),
        error=_text(error),
        failed_at=_EPOCH + timedelta(milliseconds=failed_ms),
        headers=tuple((_text(name), content) for name, content in headers),
    )
