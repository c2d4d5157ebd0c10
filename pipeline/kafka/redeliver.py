"""Sends records of a topic once more: the same bytes, to the same partition, saying where they entered first."""

import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from pipeline.kafka.admin import kind
from pipeline.kafka.client import client_options, unavailable
from pipeline.kafka.redelivery import Redelivery, Via, via, without
from pipeline.kafka.stamps import moment_of
from pipeline.kafka.topics import MAX_DEAD_BYTES, MENTIONS
from pipeline.settings import Settings
from schemas.events import Origin

_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordListTooLargeError)
MOST_PENDING: Final = 500
"""Records that are not confirmed yet."""


class Redeliverer:
    """Sends records again that :class:`pipeline.kafka.ranges.RangeReader` has read. Close it, or use ``with``.

    One whose :meth:`flush` failed stays failed: which of its records the broker has nobody can say any more, so no
    later flush may say that all is well.
    """

    def __init__(
        self,
        settings: Settings,
        incarnation: str,
        reason: str,
        *,
        generation: int | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """``reason`` and ``generation``: see :class:`Redelivery`; None: what each record had, for what it comes again.

        Raises BrokerUnavailable when no broker answers in ``timeout_s``.
        """
        self._settings = settings
        self._incarnation = incarnation
        self._reason = reason
        self._generation = generation
        self._timeout_s = timeout_s
        self._pending: deque[Any] = deque()
        self._failure = ""
        self.sent_to: dict[int, int] = {}
        """Partition -> next offset after the last record that was sent and confirmed."""
        self.too_large: list[str] = []
        """Records (``topic/partition/offset``) that the broker refuses for their size: :meth:`send` goes on without."""
        options = client_options(settings) | {"bootstrap_timeout_ms": int(timeout_s * 1000)}
        try:
            self._producer: Any = KafkaProducer(
                **options,
                acks="all",
                # The embedded broker has no InitProducerId.
                enable_idempotence=False,
                max_in_flight_requests_per_connection=1,
                max_request_size=MAX_DEAD_BYTES,
                max_block_ms=int(timeout_s * 1000),
                # Given up when `flush` gives up: what arrived later would be sent twice for nothing, and kafka-python
                # does not close while it still tries.
                delivery_timeout_ms=int(timeout_s * 1000),
                request_timeout_ms=int(timeout_s * 900),
                linger_ms=5,
                allow_auto_create_topics=False,
            )
        except (KafkaError, OSError) as error:
            raise unavailable(settings, f"no answer within {timeout_s:.0f} s ({kind(error)})") from error

    def send(self, record: Any) -> None:  # noqa: ANN401 - a kafka-python record, untyped
        """Send a record again. What became of it, :meth:`flush` and :attr:`too_large` say. Raises BrokerUnavailable."""
        # Kafka allows a header without a value, and a record with neither key nor value; kafka-python sends neither.
        # Empty ones are what the stages make of them at the first delivery as well.
        headers = self._marked(record, [(name, value or b"") for name, value in record.headers or ()])
        value = b"" if record.key is None and record.value is None else record.value
        place = f"{record.topic}/{record.partition}/{record.offset}"
        self._hand_over(record.topic, record.key, value, headers, record.partition, place)

    def send_bytes(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
        *,
        partition: int | None = None,
    ) -> None:
        """Send bytes with the headers that they shall have; without a ``partition`` the key decides.

        Raises BrokerUnavailable when these cannot be handed over, or what was sent before was not confirmed.
        """
        self._hand_over(topic, key, value, headers, partition, "")

    def _hand_over(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]],
        partition: int | None,
        place: str,
    ) -> None:
        self._check()
        try:
            future = self._producer.send(topic, partition=partition, key=key, value=value, headers=list(headers))
            self._pending.append((future, place))
        except _TOO_LARGE as error:
            if not place:
                raise unavailable(self._settings, f"{topic} cannot be written ({kind(error)})") from error
            self.too_large.append(place)
        except (KafkaError, OSError, ValueError) as error:
            raise unavailable(self._settings, f"{topic} cannot be written ({kind(error)})") from error
        if len(self._pending) >= MOST_PENDING:
            self.flush()

    def flush(self) -> None:
        """Return when everything sent so far is confirmed.

        Raises BrokerUnavailable, and does so again whenever it is called after that. Interrupted (KeyboardInterrupt),
        it may be called again: what was not confirmed yet is still waited for.
        """
        self._check()
        deadline = time.monotonic() + self._timeout_s
        try:
            while self._pending:
                future, place = self._pending[0]
                try:
                    done = future.get(timeout=max(0.1, deadline - time.monotonic()))
                    self.sent_to[done.partition] = max(done.offset + 1, self.sent_to.get(done.partition, 0))
                except _TOO_LARGE:
                    if not place:
                        raise
                    self.too_large.append(place)
                self._pending.popleft()
        except (KafkaError, OSError) as error:
            self._failure = f"records were not confirmed ({kind(error)})"
            raise unavailable(self._settings, self._failure) from error

    def close(self) -> None:
        """Close the connection. What is not confirmed by then is given up: flush first."""
        # kafka-python flushes once more and raises when that takes too long; the error of our own flush is the clear
        # one, and must not be replaced.
        with suppress(KafkaError, OSError):
            self._producer.close(timeout=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        if self._failure:
            raise unavailable(self._settings, self._failure)

    def _marked(self, record: Any, headers: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:  # noqa: ANN401
        """Headers that say where the record entered first; behind the first topic the event itself says it."""
        if record.topic != MENTIONS:
            before = via(headers)
            generation = before.generation if self._generation is None else self._generation
            return [*without(headers), Via(positions=before.positions, generation=generation).header()]
        here = Origin(
            incarnation=self._incarnation, topic=record.topic, partition=record.partition, offset=record.offset
        )
        again = Redelivery.of_record(here, headers, self._reason, moment_of(record.timestamp))
        if self._generation is not None:
            again = again.replace_stored(self._generation)
        return [*without(headers), again.header()]
