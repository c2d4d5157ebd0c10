"""Stage 3: scored mentions and dead letters into ClickHouse, idempotently, acknowledged when they are durable there.

What became of each is written into the ledger in between: after its effect, before its acknowledgement.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeVar, cast

from agents.backoff import Backoff, Stopping
from agents.control import Control
from agents.dead import dead_letter, ended_with
from agents.dead import outgoing as dead_outgoing
from agents.incoming import Incoming
from agents.outbox import Outbox
from agents.policy import DeadLetterGuard
from pipeline.errors import ClickHouseRefused, ClickHouseUnavailable, MigrationError
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.redelivery import via
from pipeline.ledger import Outcome, intervals
from pipeline.metrics import RETRIES, SINK_MENTIONS
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore
from pipeline.store.ledger import LedgerStore
from pipeline.store.mentions import MentionStore, WriteOutcome
from schemas.events import EventError, Origin, ScoredEvent, decode

log = logging.getLogger(__name__)
ROLE = "sink"
ACCEPTED = ("mention_scored", "deletion_accepted")

Row = TypeVar("Row")
Written = TypeVar("Written")

TIMEOUT_S: Final = 30.0
"""For one reply of ClickHouse; a server that hangs longer is asked again over a new connection."""
LATE: Final = timedelta(seconds=2)
"""When even the freshest mention of a batch has been under way for so long, a stage before the sink is behind."""
BATCH_S: Final = 10 * TIMEOUT_S
"""For all replies to one batch, which takes several statements; a thread that is silent for longer hangs itself."""


def may_pass(error: BaseException) -> bool:
    """True when trying again can help: the network, the server, a password or a table that a person is putting right.

    Everything else blames the rows (:class:`pipeline.errors.RowsRefused`, a value that the driver cannot encode, a bug
    that one row meets), and the same rows again cannot succeed.
    """
    return isinstance(error, ClickHouseUnavailable | ClickHouseRefused | MigrationError | OSError | EOFError)


def all_late(events: Sequence[ScoredEvent], now: datetime) -> bool:
    """True when even the freshest event was received more than LATE before ``now``; False when there is none.

    By the freshest: live mentions beside a replay of old ones do not wait for it.
    """
    return bool(events) and now - max(event.received_at for event in events) > LATE


class Store(Generic[Row, Written]):
    """Writes rows in a thread of its own, for as long as it takes, and sorts out rows that are refused for good."""

    def __init__(
        self,
        url: str,
        write: Callable[[Any, Sequence[Row]], Written],
        control: Control,
        *,
        connect: Callable[[str], Any] = lambda url: connect(url, timeout_s=TIMEOUT_S),
    ) -> None:
        """``write(client, rows)`` is idempotent: a batch is repeated whole or in parts after an error."""
        self._url = url
        self._write = write
        self._control = control
        self._connect = connect
        self._client: Any = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="clickhouse")

    async def write(self, rows: Sequence[Row]) -> tuple[list[Written], list[tuple[Row, BaseException]]]:
        """Return when every row is durable or refused for good: outcomes of the parts, and the refused rows.

        While ClickHouse is away this waits with backoff, counted; nothing more is read meanwhile. A batch with a row
        that is refused is halved until that row stands alone. Raises Stopping when the worker ends first.
        """
        if not rows:
            return [], []
        backoff = Backoff()
        while True:
            try:
                return [await self._in_time(rows)], []
            except Stopping:
                raise
            except Exception as error:
                if not may_pass(error):
                    refused = error
                    break
                RETRIES.labels(self._control.role, "clickhouse").inc()
                delay = backoff.next_s()
                why = _short(error)
                log.warning("ClickHouse: %s; again in %.1f s", why, delay)
            await self._control.pause(delay, f"ClickHouse: {why}")
        if len(rows) == 1:
            return [], [(rows[0], refused)]
        middle = len(rows) // 2
        first, first_refused = await self.write(rows[:middle])
        second, second_refused = await self.write(rows[middle:])
        return first + second, first_refused + second_refused

    async def _in_time(self, rows: Sequence[Row]) -> Written:
        """Write in the thread. Raises Stopping when the worker has to end while ClickHouse keeps it waiting."""
        attempt = asyncio.get_running_loop().run_in_executor(self._thread, self._once, rows)
        with self._control.outside.waits("ClickHouse: a batch is being written", BATCH_S):
            while not attempt.done():
                await asyncio.wait({attempt}, timeout=0.5)
                if self._control.out_of_time and not attempt.done():
                    raise Stopping
        return attempt.result()

    def _once(self, rows: Sequence[Row]) -> Written:
        try:
            if self._client is None:
                self._client = self._connect(self._url)
            return self._write(self._client, rows)
        except BaseException:
            # After an error the connection may hold half a reply.
            broken, self._client = self._client, None
            if broken is not None:
                broken.disconnect()
            raise


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event with the record that brought it."""

    event: ScoredEvent
    message: Incoming


class SinkStage:
    """Topic ``mentions.scored`` into the tables of mentions and their rollups."""

    def __init__(self, url: str, incarnation: str, control: Control, outbox: Outbox, guard: DeadLetterGuard) -> None:
        self._incarnation = incarnation
        self._outbox = outbox
        self._guard = guard
        self._store: Store[Arrived, WriteOutcome] = Store(url, _write_mentions, control)
        self.late = False
        """Whether all of the last batch had been under way for long, so that larger batches hurt nobody."""

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """See :class:`agents.stage.Stage`."""
        dead: list[DeadLetter] = []
        rows: list[Arrived] = []
        for message in batch:
            try:
                event = cast(ScoredEvent, decode(message.value, ACCEPTED))
            except EventError as error:
                dead.append(
                    dead_letter(message, message.origin(self._incarnation), ROLE, error.reason, str(error)),
                )
                continue
            rows.append(Arrived(event, message))
        self.late = all_late([row.event for row in rows], datetime.now(UTC))
        outcomes, refused = await self._store.write(rows)
        for outcome in outcomes:
            for name in ("stored", "repeat", "conflicting", "edit", "superseded", "deleted"):
                SINK_MENTIONS.labels(name).inc(getattr(outcome, name))
        for row, refusal in refused:
            dead.append(dead_letter(row.message, row.event.origin, ROLE, "store_refused", _short(refusal)))
        self._guard.observe(len(batch), len(dead), dead[-1].error if dead else "")
        await self._outbox.deliver([dead_outgoing(letter) for letter in dead])


class DeadSinkStage:
    """Topic ``mentions.dead`` into the table of dead letters, where they outlive the topic."""

    def __init__(self, url: str, incarnation: str, control: Control) -> None:
        self._incarnation = incarnation
        self._store: Store[DeadLetter, object] = Store(url, _write_dead_letters, control)
        self._ledger: Store[DeadLetter, object] = Store(url, _write_endings, control)

    async def handle(self, batch: Sequence[Incoming]) -> None:
        """See :class:`agents.stage.Stage`. A letter that cannot even be stored stays in the topic, counted.

        It is in the ledger all the same: to send its message again would only make one more of the same.
        """
        _, refused = await self._store.write([self._letter(message) for message in batch])
        for letter, error in refused:
            SINK_MENTIONS.labels("dead_letter_refused").inc()
            log.error("dead letter of %s cannot be stored and stays in the topic only: %s", letter.origin, error)
        _, unknown = await self._ledger.write([letter for letter, _ in refused])
        for letter, error in unknown:
            log.error("where %s ended cannot be written into the ledger: %s", letter.origin, error)

    def _letter(self, message: Incoming) -> DeadLetter:
        try:
            return DeadLetter.from_record(message.value, message.key, list(message.headers))
        except ValueError as error:
            # Somebody else's record in our topic: kept and shown like any other.
            return dead_letter(message, message.origin(self._incarnation), ROLE, "foreign", str(error))


def _write_mentions(client: Any, rows: Sequence[Arrived]) -> WriteOutcome:  # noqa: ANN401
    came = [via(row.message.headers) for row in rows]
    outcome = MentionStore(client).write([row.event for row in rows], [one.generation for one in came])
    entries: list[tuple[Origin, Outcome]] = []
    for row, again, ended in zip(rows, came, outcome.ended, strict=True):
        entries += [(position, ended) for position in (row.event.origin, *again.positions)]
    LedgerStore(client).write(intervals(entries))
    return outcome


def _write_dead_letters(client: Any, letters: Sequence[DeadLetter]) -> object:  # noqa: ANN401
    written = DeadLetterStore(client).write(letters)
    _write_endings(client, letters)
    return written


def _write_endings(client: Any, letters: Sequence[DeadLetter]) -> object:  # noqa: ANN401
    return LedgerStore(client).write(intervals((position, "dead") for one in letters for position in ended_with(one)))


def _short(error: BaseException) -> str:
    """First line of an error: drivers append stack traces of the server."""
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:500]
