"""Sending that is only over when the broker has confirmed every record."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from agents.backoff import Backoff, Stopping
from agents.control import Control
from agents.incoming import Headers
from pipeline.metrics import MENTIONS_OUT, RETRIES

log = logging.getLogger(__name__)

CONFIRM_S: Final = 45.0
"""Records that are not confirmed get an error after 30 s (``producer_request_timeout``), and may wait for a connection
before; a producer that keeps silent for longer hangs itself."""


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
            for record in pending[:confirmed]:
                MENTIONS_OUT.labels(self._control.role, record.topic).inc()
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
        producer = await self._app.maybe_start_producer()
        futures = []
        failure: BaseException | None = None
        try:
            for record in records:
                futures.append(
                    await producer.send(record.topic, record.key, record.value, None, None, list(record.headers))
                )
        except Exception as error:
            failure = error.__cause__ or error
        for count, result in enumerate(await asyncio.gather(*futures, return_exceptions=True)):
            if isinstance(result, BaseException):
                return count, result
        return len(futures), failure
