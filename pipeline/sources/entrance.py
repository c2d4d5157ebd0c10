"""What the HTTP entrance does with a batch: check each mention, send the good ones, answer once Kafka has them."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from pipeline.detect import Limits
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.metrics import INGEST
from pipeline.settings import Settings
from pipeline.sources.intake import Accepted, Intake
from pipeline.sources.producer import MentionProducer
from schemas.events import EventError

log = logging.getLogger(__name__)

CONNECT_S = 5.0
RETRY_CONNECT_S = 2.0
"""After a failed connection, requests are answered at once for so long instead of each waiting again."""


class ItemError(msgspec.Struct, frozen=True):
    """Why an item was not accepted; ``reason`` is a stable code."""

    reason: str
    message: str


class ItemResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """What became of one item. ``unconfirmed``: Kafka did not say; it may be in or not, sending it again is safe."""

    index: int
    status: Literal["accepted", "refused", "unconfirmed"]
    mention_id: str | None = None
    error: ItemError | None = None


class Answer(msgspec.Struct, frozen=True):
    """The answer to a batch; ``results`` in the order of the items."""

    accepted: int
    refused: int
    unconfirmed: int
    results: list[ItemResult]

    @property
    def http_status(self) -> int:
        """202 all accepted, 207 some, 400 none, 503 when Kafka did not confirm something."""
        if self.unconfirmed:
            return 503
        if not self.refused:
            return 202
        return 207 if self.accepted else 400


class Entrance:
    """Shared by all requests; connects with the first one. Thread-safe, blocking: call it off the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._intake = Intake(Limits.of(settings))
        self._lock = threading.Lock()
        self._producer: MentionProducer | None = None
        self._failed: tuple[float, BrokerUnavailable] | None = None

    def submit(self, items: Sequence[bytes], timeout_s: float) -> Answer:
        """Check and send ``items``; return when each is confirmed, refused, or not confirmed within ``timeout_s``."""
        deadline = time.monotonic() + timeout_s
        results: dict[int, ItemResult] = {}
        good: list[tuple[int, Accepted]] = []
        for index, raw in enumerate(items):
            try:
                good.append((index, self._intake.check(raw)))
            except EventError as error:
                results[index] = ItemResult(index, "refused", error=ItemError(error.reason, str(error)))
        if good:
            problems = self._deliver([a for _, a in good], deadline)
            lost = next((p for p in problems if isinstance(p, BrokerUnavailable)), None)
            if lost is not None:
                log.warning("POST /v1/mentions: %s", lost)
            for (index, accepted), problem in zip(good, problems, strict=True):
                results[index] = _result(index, accepted, problem)
        counts = {"accepted": 0, "refused": 0, "unconfirmed": 0}
        for result in results.values():
            counts[result.status] += 1
        for status, count in counts.items():
            INGEST.labels("http", status).inc(count)
        return Answer(**counts, results=[results[index] for index in range(len(items))])

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    def _deliver(
        self, accepted: list[Accepted], deadline: float
    ) -> Sequence[MessageTooLarge | BrokerUnavailable | None]:
        try:
            producer = self._connected()
        except BrokerUnavailable as error:
            return [error] * len(accepted)
        return producer.deliver([(a.key, a.value) for a in accepted], max(0.0, deadline - time.monotonic()))

    def _connected(self) -> MentionProducer:
        with self._lock:
            if self._producer is not None:
                return self._producer
            if self._failed is not None and time.monotonic() < self._failed[0]:
                raise self._failed[1]
            wait_s = min(CONNECT_S, self._settings.http_confirm_timeout_s)
            try:
                self._producer = MentionProducer(
                    self._settings.model_copy(update={"connect_timeout_s": wait_s}),
                    delivery_timeout_s=self._settings.http_confirm_timeout_s,
                )
            except BrokerUnavailable as error:
                self._failed = (time.monotonic() + RETRY_CONNECT_S, error)
                raise
            return self._producer


def _result(index: int, accepted: Accepted, problem: MessageTooLarge | BrokerUnavailable | None) -> ItemResult:
    if problem is None:
        return ItemResult(index, "accepted", accepted.mention_id)
    if isinstance(problem, MessageTooLarge):
        return ItemResult(index, "refused", accepted.mention_id, ItemError("too_large", str(problem)))
    # the broker's address is the operator's business, not the caller's: it is in our log
    return ItemResult(
        index,
        "unconfirmed",
        accepted.mention_id,
        ItemError("unconfirmed", "Kafka did not confirm it in time: send it again, it counts once"),
    )
