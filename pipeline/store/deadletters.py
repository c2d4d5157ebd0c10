"""Dead letters in ClickHouse: the original bytes and why, keyed by where they entered."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from clickhouse_driver import Client

from pipeline.kafka.deadletter import DeadLetter
from pipeline.store.client import clear_errors
from schemas.events import Origin

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = (
    *("incarnation", "topic", "partition", "offset", "stage", "reason", "error", "failed_at"),
    *("key", "value", "headers"),
)
_SELECT: Final = ", ".join(f"`{name}`" for name in _COLUMNS)
# Values are any bytes: the driver must not decode them (the client of the store does, for its other tables).
_BYTES: Final = {"strings_as_bytes": True}


class DeadLetterStore:
    """Reads and writes ``dead_letters`` through ``client``; raises what :func:`clear_errors` does."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def write(self, letters: Sequence[DeadLetter]) -> int:
        """Make ``letters`` durable and return how many there are. A letter of the same origin replaces the earlier."""
        if not letters:
            return 0
        rows = [_row(letter) for letter in letters]
        with clear_errors(self._client):
            self._client.execute(f"INSERT INTO dead_letters ({_SELECT}) VALUES", rows)
        return len(rows)

    def count(self, incarnation: str | None = None) -> int:
        """Distinct origins, of all incarnations of the broker or of one."""
        where = "" if incarnation is None else " WHERE incarnation = %(i)s"
        sql = f"SELECT uniqExact(incarnation, topic, `partition`, `offset`) FROM dead_letters{where}"  # noqa: S608
        with clear_errors(self._client):
            return int(self._client.execute(sql, {"i": incarnation or ""})[0][0])

    def by_reason(self, incarnation: str | None = None) -> dict[tuple[str, str], int]:
        """(stage, reason) -> distinct origins, the most frequent first."""
        where = "" if incarnation is None else " WHERE incarnation = %(i)s"
        sql = (
            f"SELECT stage, reason, count() AS n FROM dead_letters FINAL{where} "  # noqa: S608 - constants
            "GROUP BY stage, reason ORDER BY n DESC, stage, reason"
        )
        with clear_errors(self._client):
            return {(stage, reason): n for stage, reason, n in self._client.execute(sql, {"i": incarnation or ""})}

    def list(
        self,
        *,
        limit: int = 20,
        reason: str | None = None,
        stage: str | None = None,
        incarnation: str | None = None,
        origin: Origin | None = None,
        place: tuple[str, int, int] | None = None,
        since: datetime | None = None,
    ) -> list[DeadLetter]:
        """The newest ``limit`` letters; only those of what is given.

        ``place`` is (topic, partition, offset) under any incarnation of the broker; ``since`` is aware and compares
        with ``failed_at``.
        """
        wanted: dict[str, Any] = {"reason": reason, "stage": stage, "incarnation": incarnation}
        if origin is not None:
            wanted |= {
                "incarnation": origin.incarnation,
                "topic": origin.topic,
                "partition": origin.partition,
                "offset": origin.offset,
            }
        if place is not None:
            wanted |= dict(zip(("topic", "partition", "offset"), place, strict=True))
        wanted = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"`{name}` = %({name})s" for name in wanted) or "1"
        if since is not None:
            where += " AND failed_at >= fromUnixTimestamp64Milli(%(since)s)"
            wanted["since"] = (since - _EPOCH) // timedelta(milliseconds=1)
        sql = (
            f"SELECT {_SELECT.replace('`failed_at`', 'toUnixTimestamp64Milli(failed_at)')} FROM dead_letters FINAL "  # noqa: S608
            f"WHERE {where} ORDER BY failed_at DESC, incarnation, topic, `partition`, `offset` DESC LIMIT %(limit)s"
        )
        with clear_errors(self._client):
            rows = self._client.execute(sql, {**wanted, "limit": limit}, settings=_BYTES)
        return [_letter(row) for row in rows]


def _text(raw: Any) -> str:  # noqa: ANN401 - what the driver returns
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def _row(letter: DeadLetter) -> tuple[Any, ...]:
    origin = letter.origin
    return (
        *(_bytes(origin.incarnation), _bytes(origin.topic), origin.partition, origin.offset),
        *(_bytes(letter.stage), _bytes(letter.reason), _bytes(letter.error)),
        (letter.failed_at - _EPOCH) // timedelta(milliseconds=1),
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
