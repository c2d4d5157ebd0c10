"""One file or stream into topic ``mentions``: checked line by line, confirmed, and resumable where it stopped."""

import fcntl
import itertools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from pipeline.errors import BrokerUnavailable, InputError, MessageTooLarge
from pipeline.kafka.topics import MAX_MESSAGE_BYTES
from pipeline.metrics import INGEST
from pipeline.sources import checkpoint as checkpoints
from pipeline.sources.checkpoint import HEAD_BYTES, Checkpoint, LastRow, Outcome
from pipeline.sources.intake import Intake
from pipeline.sources.interrupt import StopNow
from pipeline.sources.lines import read_lines
from pipeline.sources.plan import Plan, json_rows, read_header
from pipeline.sources.rejects import Rejects
from pipeline.sources.table import Row, Table
from schemas.events import EventError

COMMIT_ROWS = 2_000
COMMIT_S = 1.0
"""How much a killed run may send again."""
STOP_FLUSH_S = 10.0


class Outlet(Protocol):
    """Where accepted lines go (``pipeline.sources.producer.MentionProducer``)."""

    def send(self, event: bytes, *, key: bytes | None = None) -> None:
        """Queue one message; may wait."""
        ...

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when all of them are confirmed, or raise BrokerUnavailable."""
        ...


@dataclass
class Summary:
    """What became of a file, earlier runs of the same ingest included."""

    accepted: int = 0
    """Sent and confirmed (after a dry run: would be sent)."""
    rejected: int = 0
    blank: int = 0
    lines: int = 0
    resumed_at: int = 0
    """Line after which this run went on; 0 when it began at the start."""
    started_over: str = ""
    """Why a checkpoint was not used, if so."""
    seconds: float = 0.0


def lock(file: BinaryIO, name: str) -> None:
    """Let no other ingest read the same file meanwhile (it would fight over the checkpoint). Raises InputError."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputError(f"{name}: another `babelwatch ingest` or `backfill` is at work on this file") from None
    except OSError:
        # a file system without locks; the checkpoint then is the user's to guard
        return


class Ingest:
    """One run over one input. ``outlet`` None checks only (``--dry-run``): nothing is sent, no state is kept."""

    def __init__(self, plan: Plan, stream: BinaryIO, intake: Intake, outlet: Outlet | None) -> None:
        self._plan, self._stream, self._intake, self._outlet = plan, stream, intake, outlet
        self.summary = Summary()
        self._head = b""
        self._state = Checkpoint()

    @property
    def rows_done(self) -> int:
        """Rows sent, rejected or blank, earlier runs included; the last ones are perhaps not confirmed yet."""
        return self._state.accepted + self._state.rejected + self._state.blank

    def run(
        self,
        on_row: Callable[[], None] = lambda: None,
        waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> Summary:
        """Read to the end; ``on_row`` is called after each row, and may raise KeyboardInterrupt to stop there.

        ``waiting`` gives a context around each read of the input, the other place where a stop does no harm.

        Raises BrokerUnavailable when Kafka stops confirming, InputError for damaged input and for a file that is
        another one than the checkpoint's. After these and after KeyboardInterrupt everything confirmed is
        checkpointed: the same command goes on from there. After StopNow it goes on from the checkpoint before.
        """
        began = time.monotonic()
        table = self._begin()
        rejects = Rejects(self._plan.rejects, source=self._plan.name, keep=self._state.rejects_bytes)
        lines = read_lines(self._stream, limit=MAX_MESSAGE_BYTES, start=self._state.position, number=self._state.line)
        committed = time.monotonic()
        try:
            rows = table.rows(lines) if table else json_rows(lines)
            for count in itertools.count(1):
                with waiting():
                    row = next(rows, None)
                if row is None:
                    break
                self._take(row, rejects)
                on_row()
                if count % COMMIT_ROWS == 0 or time.monotonic() - committed > COMMIT_S:
                    self._commit(rejects)
                    committed = time.monotonic()
            self._commit(rejects)
        except StopNow:
            raise
        except (KeyboardInterrupt, InputError):
            self._commit(rejects, timeout_s=STOP_FLUSH_S)
            raise
        except BrokerUnavailable as error:
            raise BrokerUnavailable(f"{error}. {self._resume_advice()}") from None
        finally:
            rejects.close()
            self.summary.seconds = time.monotonic() - began
        return self.summary

    def _begin(self) -> Table | None:
        """Position the stream behind what an earlier run confirmed; return the table reader of a CSV."""
        resumable = self._plan.state is not None and self._outlet is not None
        if resumable:
            self._head = self._stream.read(HEAD_BYTES)
            self._stream.seek(0)
        header, table = read_header(self._plan, self._stream)
        earlier = self._earlier() if resumable else None
        if earlier is not None:
            self._state = earlier
            self.summary = Summary(earlier.accepted, earlier.rejected, earlier.blank, earlier.line, earlier.line)
        else:
            self._state = Checkpoint(options=self._plan.options(), incarnation=self._plan.incarnation)
            if header is not None:
                self._state.advance(header)
            if resumable:
                self._stream.seek(self._state.position)
        return table

    def _earlier(self) -> Checkpoint | None:
        """The checkpoint to go on from, with the stream positioned there, or None to begin at the start."""
        assert self._plan.state is not None  # noqa: S101 - narrows the type
        if self._plan.restart:
            return None
        found = checkpoints.load(self._plan.state)
        if found is None or found.position == 0:
            return None
        again = "use --restart to ingest it from the start (what was sent before counts once)"
        if found.options != self._plan.options():
            raise InputError(
                f"{self._plan.name} was begun with other options ({found.line} lines are in); repeat those, or {again}"
            )
        if found.incarnation != self._plan.incarnation:
            self.summary.started_over = (
                "the broker was started anew since the last run and may have lost what it had; sending from the start "
                "(what arrived before counts once)"
            )
            return None
        self._stream.seek(0)
        why = found.mismatch(self._stream)
        if why is not None:
            raise InputError(f"{self._plan.name} is not the file that was begun ({why}); {again}")
        # at 0 the only line, of a CSV the header, was half-written: nothing of the file is in
        return found if found.position else None

    def _take(self, row: Row, rejects: Rejects) -> None:
        """Send the row, or list why not."""
        listed = rejects.size
        outcome: Outcome = "accepted"
        if row.event == b"":
            outcome = "blank"
        else:
            try:
                self._offer(row.event)
            except EventError as error:
                INGEST.labels(self._plan.entrance, "rejected").inc()
                rejects.add(row.first.number, row.last.number, error, row.raw)
                outcome = "rejected"
        taken = LastRow(start=row.first.start, line=row.first.number - 1, outcome=outcome, rejects_bytes=listed)
        self._state.advance(row.last, taken, finished=row.finished)

    def _offer(self, event: bytes | EventError) -> None:
        if isinstance(event, EventError):
            raise event
        accepted = self._intake.check(event, default_source=self._plan.source)
        if self._outlet is not None:
            try:
                self._outlet.send(accepted.value, key=accepted.key)
            except MessageTooLarge as error:
                raise EventError("too_large", str(error)) from None
            INGEST.labels(self._plan.entrance, "accepted").inc()

    def _commit(self, rejects: Rejects, timeout_s: float | None = None) -> None:
        """Wait until everything taken is confirmed, then write the checkpoint: never the other way round."""
        if self._outlet is not None:
            self._outlet.flush(timeout_s)
        rejects.flush()
        state = self._state
        state.rejects_bytes = rejects.size
        if self._plan.state is not None and self._outlet is not None:
            state.seal(self._head)
            checkpoints.save(self._plan.state, state)
        done = self.summary
        done.accepted, done.rejected, done.blank, done.lines = state.accepted, state.rejected, state.blank, state.line

    def _resume_advice(self) -> str:
        if self._plan.state is None:
            return f"{self.summary.lines} lines are confirmed; the rest of the stream is not"
        return f"{self.summary.lines} lines are confirmed; run the same command again to go on after them"
