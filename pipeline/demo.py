"""The demo: the whole pipeline on this machine, fed with the sample mentions at a live pace, and a report of it."""

import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_driver import Client

from pipeline.errors import BabelwatchError, BrokerUnavailable
from pipeline.kafka.admin import read_incarnation
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.topics import MENTIONS
from pipeline.report import Counts, Report, read_stage
from pipeline.sample.generator import Generator
from pipeline.sample.incident import load_incident
from pipeline.sample.ledger import Ledger
from pipeline.sample.texts import incident, ordinary
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from pipeline.stack import Stack
from pipeline.store.accounting import LanguageCount, Latency, by_language, latency_ms, stored_ids
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore

TICK_S: Final = 0.05
PROGRESS_S: Final = 2.0
DRAIN_S: Final = 60.0
"""How long a run of a given length may take to finish what it sent."""
INTERRUPTED_DRAIN_S: Final = 4.5
"""... and one that was interrupted: with flush and stop it is over within 10 s."""
EMBEDDED_ANSWER_S: Final = 10.0
"""How long the embedded broker may take to answer the producer: it runs on this machine, or it has ended."""


@dataclass(frozen=True)
class DemoOptions:
    """What the command line says. ``seconds`` None runs until it is stopped; ``rate`` is mentions per second."""

    seconds: float | None = None
    rate: float = 18.0
    seed: int = 0
    scripted: bool = True


@dataclass(frozen=True)
class Progress:
    """One look at a running demo. None where the service did not answer in time."""

    elapsed_s: float
    sent: int
    stored: int | None
    dead: int | None
    lag: int | None


class Books:
    """Reads the counts of this run from the broker and from ClickHouse, less what was there before it."""

    def __init__(self, settings: Settings, before: Counts | None = None) -> None:
        """``before``: what was there already; read now when it is not given. For one thread; close it."""
        self._offsets = OffsetReader(settings)
        self.client: Client = connect(settings.require_clickhouse())
        self.incarnation = read_incarnation(settings)
        self.before = Counts(sent=0, stored=0, repeats=0, dead=0)
        self.before = before or Counts(sent=self.sent(), stored=self.stored(), repeats=0, dead=self.dead())

    def sent(self) -> int:
        """Messages that the broker took."""
        return sum(self._offsets.ends([MENTIONS]).values()) - self.before.sent

    def stored(self) -> int:
        """Distinct mention ids in ClickHouse, deleted ones included."""
        return stored_ids(self.client, self.incarnation) - self.before.stored

    def dead(self) -> int:
        """Distinct origins of dead letters in ClickHouse."""
        return DeadLetterStore(self.client).count(incarnation=self.incarnation) - self.before.dead

    def lag(self) -> int:
        """Messages that wait, over all stages."""
        return sum(part.lag for part in self._offsets.lag())

    def close(self) -> None:
        """Close both connections."""
        self._offsets.close()
        self.client.disconnect()

    def settled(self, repeats: int, timeout_s: float) -> Counts:
        """The counts, read again until they add up or the time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            counts = Counts(sent=self.sent(), stored=self.stored(), repeats=repeats, dead=self.dead())
            if counts.missing == 0 or time.monotonic() > deadline:
                return counts
            time.sleep(0.25)


class Demo:
    """Feeds a started stack. The caller starts and stops the stack."""

    def __init__(self, stack: Stack, options: DemoOptions, watch: Callable[[Progress], None]) -> None:
        """``watch`` is called about every two seconds, from a thread of its own."""
        self._stack, self._options, self._watch = stack, options, watch
        self.run_id = uuid.uuid4().hex[:8]
        self.ledger = Ledger()
        self._started = time.monotonic()
        self._books = Books(stack.settings)

    def replay(self, stop: threading.Event) -> None:
        """Send mentions until ``stop`` is set or the time is over; return when the broker has confirmed them all.

        Raises BrokerUnavailable when it does not confirm, and EmbeddedServiceError when the embedded broker ended.
        """
        options = self._options
        generator = Generator(
            ordinary(),
            run=self.run_id,
            rate=options.rate,
            seed=options.seed,
            complaints=incident() if options.scripted else (),
            incident=load_incident() if options.scripted else None,
        )
        self._started = time.monotonic()
        done = threading.Event()
        watcher = threading.Thread(target=self._look, args=(done,), name="demo-progress", daemon=True)
        watcher.start()
        try:
            with MentionProducer(self._producer_settings()) as producer:
                while not stop.wait(TICK_S):
                    if self._stack.failure is not None:
                        raise self._stack.failure
                    elapsed = time.monotonic() - self._started
                    if options.seconds is not None and elapsed >= options.seconds:
                        break
                    for outgoing in generator.due(elapsed, datetime.now(UTC)):
                        producer.send(outgoing.message)
                        self.ledger.add(outgoing)
                producer.flush(INTERRUPTED_DRAIN_S if stop.is_set() else None)
        except BrokerUnavailable:
            if self._stack.failure is not None:  # that it ended says more than that it does not answer
                raise self._stack.failure from None
            raise
        finally:
            done.set()
            watcher.join(timeout=1.0)

    def report(self, undrained: dict[str, int], settle_s: float) -> Report:
        """Count everything. Call it after the drain and before the stack stops."""
        seconds = time.monotonic() - self._started
        counts = self._books.settled(len(self.ledger.repeats), settle_s)
        client, incarnation = self._books.client, self._books.incarnation
        latency = latency_ms(client, incarnation)
        return Report(
            counts=counts,
            by_stage={role: read_stage(worker.web) for role, worker in self._stack.workers.items()},
            by_language={row.language: _without(row, "language") for row in by_language(client, incarnation)},
            latency_ms=_without(latency, "mentions") if latency else {},
            run=self.run_id,
            seconds=seconds,
            kinds=dict(self.ledger.kinds),
            undrained={topic: number for topic, number in undrained.items() if number},
        )

    def _producer_settings(self) -> Settings:
        settings = self._stack.settings
        if not self._stack.broker_embedded:
            return settings
        return settings.model_copy(update={"connect_timeout_s": min(settings.connect_timeout_s, EMBEDDED_ANSWER_S)})

    def _look(self, done: threading.Event) -> None:
        """Tell how far it is, until ``done``; a service that is slow to answer is no reason to stop a demo."""
        books: Books | None = None
        while not done.wait(PROGRESS_S):
            stored = dead = lag = None
            try:
                books = books or Books(self._stack.settings, self._books.before)
                stored, dead, lag = books.stored(), books.dead(), books.lag()
            except (BabelwatchError, OSError):
                _close(books)
                books = None
            self._watch(Progress(time.monotonic() - self._started, self.ledger.sent, stored, dead, lag))
        _close(books)


def _close(books: Books | None) -> None:
    if books is not None:
        books.close()


def _without(row: LanguageCount | Latency, name: str) -> dict[str, Any]:
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in asdict(row).items() if key != name}
