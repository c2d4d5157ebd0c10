"""What the operator's view looks at: Kafka's offsets over time, and ClickHouse. Each over a connection that is kept."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from agents.progress import Position, ProgressTracker
from pipeline.kafka.admin import kind, read_incarnation, require_reachable
from pipeline.kafka.client import unavailable
from pipeline.kafka.offsets import OffsetReader, PartitionLag
from pipeline.ledger_state import ledger_problems, ledger_state, ledger_warnings
from pipeline.problems import row_problems
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore
from pipeline.store.ledger import LedgerStore
from pipeline.store.rescore import uncounted_pages

ANSWER_S: Final = 4.0
INCARNATION_S: Final = 60.0
"""How long it is believed that the broker is still the same one."""


@dataclass(frozen=True)
class Behind:
    """How far a role is behind on one partition, and for how long; ages as a worker's own (agents.progress)."""

    role: str
    topic: str
    partition: int
    end: int
    committed: int | None
    lag: int
    committed_age_s: float
    progress_age_s: float


class Standing:
    """Follows committed offsets over time, whoever commits them: also of workers on other machines, or of none."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._tracker = ProgressTracker(clock)

    def update(self, lags: Iterable[PartitionLag]) -> list[Behind]:
        """Take note of the lags now; ages count from the first call on."""
        lags = list(lags)
        roles = {(lag.topic, lag.partition): lag.role for lag in lags}
        # Without a commit, lag is counted from where the log begins.
        found = self._tracker.update(
            Position(lag.topic, lag.partition, lag.committed, lag.end, lag.end - lag.lag) for lag in lags
        )
        return [
            Behind(
                roles[p.topic, p.partition],
                *(p.topic, p.partition, p.end or 0, p.committed, p.lag, p.age_s, p.progress_age_s),
            )
            for p in found
        ]


class KafkaLook:
    """Call it for the lag of every role. Raises BrokerUnavailable."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._standing = Standing()
        self._reader: OffsetReader | None = None
        self._incarnation_at = 0.0
        self.incarnation: str | None = None

    def __call__(self) -> list[Behind]:
        """The state now."""
        try:
            if self._reader is None:
                # A plain connection first: the client library would write a page of warnings into the log.
                require_reachable(self._settings)
                self._reader = OffsetReader(self._settings, timeout_s=ANSWER_S)
                self.incarnation = None
            if self.incarnation is None or time.monotonic() - self._incarnation_at > INCARNATION_S:
                quick = self._settings.model_copy(update={"connect_timeout_s": ANSWER_S})
                self.incarnation, self._incarnation_at = read_incarnation(quick), time.monotonic()
            return self._standing.update(self._reader.lag())
        except BaseException as error:
            self.close()
            self.incarnation = None
            if isinstance(error, OSError):
                raise unavailable(self._settings, kind(error)) from None
            raise

    def close(self) -> None:
        """Close the connections."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


@dataclass(frozen=True)
class Stored:
    """What ClickHouse says of the pipeline."""

    dead_open: int
    dead_reasons: dict[str, int]
    problems: list[str]
    notices: list[str]


class ClickHouseLook:
    """Call it for dead letters, gaps in the ledger and the like. Raises ClickHouseUnavailable or ClickHouseRefused."""

    def __init__(self, settings: Settings, incarnation: Callable[[], str | None]) -> None:
        self._url = settings.require_clickhouse()
        self._incarnation = incarnation
        self._client: Any = None

    def __call__(self) -> Stored:
        """The state now. None of it reads the mentions: it costs the same however many there are."""
        try:
            if self._client is None:
                self._client = connect(self._url, timeout_s=ANSWER_S)
            dead = DeadLetterStore(self._client)
            count, reasons = dead.open_count(), dead.by_reason()
            ledger = ledger_state(LedgerStore(self._client), self._incarnation())
            rows = {"uncounted_pages": uncounted_pages(self._client)}
        except BaseException:
            broken, self._client = self._client, None
            if broken is not None:
                broken.disconnect()
            raise
        top = Counter({f"{stage}/{reason}": n for (stage, reason), n in reasons.items()}).most_common(5)
        return Stored(count, dict(top), [*row_problems(rows), *ledger_problems(ledger)], ledger_warnings(ledger))
