"""What was done about dead letters, and which are open."""

import getpass
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from clickhouse_driver import Client

from pipeline.kafka.deadletter import DeadLetter
from pipeline.store.client import clear_errors
from schemas.events import Origin

Action = Literal["sending", "replayed", "fixed", "purged"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: Final = "incarnation, topic, `partition`, `offset`, failed_at, action, run, by, note, sha256"


@dataclass(frozen=True)
class Done:
    """One entry of a letter's history."""

    failed_at: datetime
    action: Action
    at: datetime
    by: str
    note: str
    sha256: str
    run: str


class DeadActions:
    """Writes and reads the history of letters through ``client``; raises what :func:`clear_errors` does."""

    def __init__(self, client: Client, run: str) -> None:
        """``run``: an id of the command that acts."""
        self._client = client
        self._run = run
        self._by = _who()

    def write(self, letters: Iterable[tuple[DeadLetter, str]], action: Action, note: str = "") -> None:
        """Write down ``action`` on each letter; beside each the SHA-256 (hex) of the bytes that are sent, or empty."""
        rows = [
            (
                *_key(letter.origin),
                (letter.failed_at - _EPOCH) // timedelta(milliseconds=1),
                *(action, self._run, self._by, note, digest),
            )
            for letter, digest in letters
        ]
        if rows:
            with clear_errors(self._client):
                self._client.execute(f"INSERT INTO dead_letter_actions ({_COLUMNS}) VALUES", rows)

    def history(self, origin: Origin) -> list[Done]:
        """Everything that was done about what entered at ``origin``, the oldest first."""
        with clear_errors(self._client):
            rows: Sequence[tuple[int, Action, int, str, str, str, str]] = self._client.execute(
                "SELECT toUnixTimestamp64Milli(failed_at), CAST(action, 'String'), toUnixTimestamp64Milli(at), by, "
                "note, sha256, run FROM dead_letter_actions FINAL WHERE incarnation = %(i)s AND topic = %(t)s "
                "AND `partition` = %(p)s AND `offset` = %(o)s ORDER BY at, action",
                {"i": origin.incarnation, "t": origin.topic, "p": origin.partition, "o": origin.offset},
            )
        return [
            Done(_moment(failed), action, _moment(at), by, note, sha, run)
            for failed, action, at, by, note, sha, run in rows
        ]


def _key(origin: Origin) -> tuple[str, str, int, int]:
    return origin.incarnation, origin.topic, origin.partition, origin.offset


def _moment(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "?"
    return f"{user}@{socket.gethostname()}"
