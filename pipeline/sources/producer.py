"""The way into topic ``mentions``: keyed by mention id, confirmed by all replicas, bounded, and never silent."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from kafka.producer.future import FutureRecordMetadata

from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import MAX_MESSAGE_BYTES, MENTIONS
from pipeline.settings import Settings
from schemas import ids
from schemas.events import EventError, Mention, MentionDeleted, encode

MAX_PENDING = 5_000
"""Messages sent and not yet confirmed; `send` waits when there are more."""
MAX_PENDING_BYTES = 16 * MAX_MESSAGE_BYTES


def key_of(event: Mention | MentionDeleted) -> bytes:
    """Return the Kafka key of ``event``: its mention id as 32 ASCII hex digits.

    One id is thereby in one partition, in the order of sending. Raises EventError when the date has no UTC form.
    """
    if isinstance(event, MentionDeleted):
        return ids.mention_id(event.tenant, event.source, event.id, None, None, "").encode()
    try:
        ident = ids.mention_id(event.tenant, event.source, event.id, event.author, event.published_at, event.text)
    except OverflowError:
        raise EventError(
            "invalid", f"published_at {event.published_at.isoformat()} is outside years 1 to 9999 in UTC"
        ) from None
    return ident.encode()


class MentionProducer:
    """Sends events to topic ``mentions`` through kafka-python. Safe to share between threads.

    acks=all, retried until ``delivery_timeout_s``, one request in flight so that a retry cannot overtake. Idempotence
    of the producer is off: the embedded broker has none, and a repeated mention has the same id and counts once.
    Raises BrokerUnavailable (address, remedy) when no broker answers within ``settings.connect_timeout_s``.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        delivery_timeout_s: float = 120.0,
        max_pending: int = MAX_PENDING,
        max_pending_bytes: int = MAX_PENDING_BYTES,
    ) -> None:
        self._where = settings.require_kafka()
        self._delivery_timeout_s = delivery_timeout_s
        self._max_pending, self._max_pending_bytes = max_pending, max_pending_bytes
        self._pending = self._pending_bytes = 0
        self._failed = 0
        self._first_failure = ""
        self._changed = threading.Condition()
        connect_ms = int(settings.connect_timeout_s * 1000)
        try:
            self._kafka = KafkaProducer(
                **client_options(settings),
                acks="all",
                enable_idempotence=False,
                max_in_flight_requests_per_connection=1,
                delivery_timeout_ms=int(delivery_timeout_s * 1000),
                request_timeout_ms=int(min(30.0, delivery_timeout_s * 0.9) * 1000),
                linger_ms=5,
                batch_size=64 * 1024,
                max_request_size=MAX_MESSAGE_BYTES,
                max_block_ms=connect_ms,
                bootstrap_timeout_ms=connect_ms,
                reconnect_backoff_max_ms=2000,
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        except (KafkaError, OSError) as error:
            raise self._unavailable(f"no answer within {settings.connect_timeout_s:.0f} s ({_name(error)})") from error

    def send(self, event: Mention | MentionDeleted | bytes, *, key: bytes | None = None) -> None:
        """Queue ``event``; wait while too much is unconfirmed. What becomes of it, :meth:`flush` says.

        Bytes go out as they are, keyed by ``key`` (none: any partition), valid or not: workers judge everything.
        Raises MessageTooLarge (nothing was queued), BrokerUnavailable, and EventError for an event that JSON cannot
        carry.
        """
        self._enqueue(event, key, tracked=True)

    def deliver(
        self, events: Sequence[tuple[bytes, bytes]], timeout_s: float
    ) -> list[MessageTooLarge | BrokerUnavailable | None]:
        """Send all (key, value) pairs and wait up to ``timeout_s``; per pair None once Kafka confirmed it, or why not.

        A pair that is not confirmed may still arrive later (at most ``delivery_timeout_s`` after sending).
        """
        deadline = time.monotonic() + timeout_s
        futures: list[FutureRecordMetadata | MessageTooLarge | BrokerUnavailable] = []
        for key, value in events:
            try:
                futures.append(self._enqueue(value, key, deadline=deadline))
            except (MessageTooLarge, BrokerUnavailable) as error:
                futures.append(error)
        results: list[MessageTooLarge | BrokerUnavailable | None] = []
        for future in futures:
            if isinstance(future, MessageTooLarge | BrokerUnavailable):
                results.append(future)
                continue
            try:
                future.get(timeout=max(0.0, deadline - time.monotonic()))
                results.append(None)
            except KafkaError as error:
                results.append(self._unavailable(f"not confirmed within {timeout_s:.0f} s ({_name(error)})"))
        return results

    def flush(self, timeout_s: float | None = None) -> None:
        """Return when everything sent so far is confirmed.

        Raises BrokerUnavailable with the number of unconfirmed messages when something failed since the last flush,
        or is open after ``timeout_s`` (default: the delivery timeout and a little more).
        """
        limit = self._delivery_timeout_s + 10 if timeout_s is None else timeout_s
        deadline = time.monotonic() + limit
        with self._changed:
            self._changed.wait_for(lambda: self._pending == 0, timeout=max(0.0, deadline - time.monotonic()))
            open_, failed, first = self._pending, self._failed, self._first_failure
            self._failed, self._first_failure = 0, ""
        if open_ or failed:
            raise self._unavailable(
                f"{open_ + failed} messages were not confirmed" + (f" ({first})" if first else f" within {limit:.0f} s")
            )

    def close(self, timeout_s: float = 5.0) -> None:
        """Release the connection. What is not confirmed by then is given up: flush first."""
        # kafka-python flushes first, and raises when the time is over: what is open then was given up by contract
        with suppress(KafkaTimeoutError):
            self._kafka.close(timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _enqueue(
        self,
        event: Mention | MentionDeleted | bytes,
        key: bytes | None,
        *,
        tracked: bool = False,
        deadline: float | None = None,
    ) -> FutureRecordMetadata:
        """Hand one message to kafka-python and return its future; waits while the bounds are reached.

        ``tracked``: :meth:`flush` answers for it.
        """
        if isinstance(event, bytes):
            value = event
        else:
            key = key_of(event)
            try:
                value = encode(event)
            except UnicodeEncodeError as error:
                raise EventError("bad_unicode", f"a lone surrogate cannot be sent: {error.reason}") from None
        size = len(value)
        limit_s = self._delivery_timeout_s + 10 if deadline is None else max(0.0, deadline - time.monotonic())
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(size), timeout=limit_s):
                raise self._unavailable(f"{self._pending} messages are waiting for confirmation")
            self._pending += 1
            self._pending_bytes += size
        try:
            future = self._kafka.send(MENTIONS, key=key, value=value)
        except MessageSizeTooLargeError:
            self._release(size)
            raise MessageTooLarge(
                f"a message of {size} bytes: with its envelope at most {MAX_MESSAGE_BYTES} bytes fit into topic "
                f"{MENTIONS}; send a shorter text"
            ) from None
        except (KafkaError, ValueError) as error:
            self._release(size)
            raise self._unavailable(
                f"topic {MENTIONS} is not known there ({_name(error)}); `babelwatch topics` creates it"
            ) from error
        except BaseException:
            self._release(size)
            raise
        future.add_callback(lambda _: self._release(size))
        future.add_errback(lambda error: self._release(size, error if tracked else None))
        return future

    def _has_room(self, size: int) -> bool:
        if self._pending == 0:
            return True
        return self._pending < self._max_pending and self._pending_bytes + size <= self._max_pending_bytes

    def _release(self, size: int, error: BaseException | None = None) -> None:
        # one lock for both: a flush that sees nothing pending must also see the failure
        with self._changed:
            self._pending -= 1
            self._pending_bytes -= size
            if error is not None:
                self._failed += 1
                self._first_failure = self._first_failure or _name(error)
            self._changed.notify_all()

    def _unavailable(self, what: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"Kafka at {self._where}: {what}. Check that the broker runs and KAFKA_BROKERS is right "
            "(`babelwatch doctor`); sending the same mentions again is safe, they count once"
        )


def _name(error: BaseException) -> str:
    """Kind of an error of kafka-python and its first words (which often begin with the kind again)."""
    kind = type(error).__name__
    text = str(error).strip().removeprefix(f"{kind}: ")
    return f"{kind}: {text[:200]}" if text else kind
