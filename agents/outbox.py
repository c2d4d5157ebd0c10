"""Sending that is only over when the broker has confirmed every record."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from agents.backoff import Backoff, Stopping
from agents.batching import Batch, batches
from agents.control import Control
from agents.incoming import Headers
from pipeline.metrics import MENTIONS_OUT, RETRIES

log = logging.getLogger(__name__)

CONFIRM_S: Final = 45.0
"""Records that are not confirmed get an error after 30 s (``producer_request_timeout``), and may wait for a connection
before; a producer that keeps silent for longer hangs itself."""
_OVERHEAD: Final = 128
"""Bytes of a record in a batch beside what is in it."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One record to send. ``instead`` makes what is sent when the broker refuses it as too large."""

    topic: str
    key: bytes | None
    value: bytes
    headers: Headers
    instead: Callable[[str], "Outgoing"] | None = None


class Outbox:
    """Sends through Faust's producer (acks=all), in order by key."""

    def __init__(self, app: Any, control: Control) -> None:  # noqa: ANN401 - a Faust app, untyped here
        self._app = app
        self._control = control

    async def deliver(self, records: Sequence[Outgoing]) -> None:
        """Return when all ``records`` are confirmed; a broker that is away is waited for.

        After a failure everything from the first unconfirmed record on is sent again, so that the records of one key
        stay in order (repeats are possible, gaps are not). Raises Stopping when the worker has to end first.
        """
        pending = list(records)
        backoff = Backoff()
        while pending:
            confirmed, error = await self._within_time(pending)
            for topic, count in Counter(record.topic for record in pending[:confirmed]).items():
                MENTIONS_OUT.labels(self._control.role, topic).inc(count)
            pending = pending[confirmed:]
            if error is None:
                continue
            if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
                instead = pending[0].instead
                if instead is None:
                    raise error
                pending[0] = instead(f"the broker refuses a record of this size: {error}")
                continue
            RETRIES.labels(self._control.role, "send").inc()
            delay = backoff.next_s()
            log.warning("%d records not confirmed (%r); again in %.1f s", len(pending), error, delay)
            await self._control.pause(delay, f"Kafka: records not confirmed ({type(error).__name__})")

    async def _within_time(self, records: list[Outgoing]) -> tuple[int, BaseException | None]:
        attempt = asyncio.ensure_future(self._attempt(records))
        with self._control.outside.waits("Kafka: records are not confirmed yet", CONFIRM_S):
            while not attempt.done():
                await asyncio.wait({attempt}, timeout=0.5)
                if self._control.out_of_time and not attempt.done():
                    attempt.cancel()
                    raise Stopping
        return attempt.result()

    async def _attempt(self, records: list[Outgoing]) -> tuple[int, BaseException | None]:
        """Return how many of the first records are confirmed, and why the next one is not."""
        kafka = (await self._app.maybe_start_producer())._ensure_producer()
        sent: list[tuple[Batch, Any]] = []
        failed_at, failure = self._too_large(records)
        try:
            topics = {record.topic for record in records[:failed_at]}
            partitions = {topic: sorted(await kafka.partitions_for(topic)) for topic in topics}
            made = batches(records[:failed_at], partitions, kafka.create_batch)
        except Exception as error:
            return 0, error
        for number, batch in enumerate(made):
            try:
                sent.append((batch, await kafka.send_batch(batch.builder, batch.topic, partition=batch.partition)))
            except Exception as error:
                failed_at, failure = min(one.places[0] for one in made[number:]), error
                break
        for (batch, _), result in zip(
            sent, await asyncio.gather(*(future for _, future in sent), return_exceptions=True), strict=True
        ):
            if isinstance(result, BaseException) and batch.places[0] < failed_at:
                failed_at, failure = batch.places[0], result
        return failed_at, failure

    def _too_large(self, records: list[Outgoing]) -> tuple[int, BaseException | None]:
        """Place of the first record that no request can hold, or the number of all."""
        most = self._app.conf.producer_max_request_size
        for place, record in enumerate(records):
            size = len(record.value) + len(record.key or b"") + sum(len(n) + len(v) for n, v in record.headers)
            if size + _OVERHEAD > most:
                return place, MessageSizeTooLargeError(f"{size} bytes, at most {most - _OVERHEAD} can be sent")
        return len(records), None
