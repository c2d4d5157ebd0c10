"""Two producers that send the workload, each message until the broker has confirmed it."""

import zlib
from collections.abc import Sequence
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2

from tests.chaos.workload import Message

HEADER: Final = "chaos-n"
"""Header with the number of the message in the input file."""
TOPIC: Final = "mentions"


class Sender:
    """Sends in chunks. A message that is not confirmed is sent again, so the log may hold it twice."""

    def __init__(self, address: str) -> None:
        self._producers = {name: self._producer(address, name) for name in ("a", "b")}
        self.again = 0
        """Messages that had to be sent more than once."""

    def send(self, numbered: Sequence[tuple[int, Message]]) -> None:
        """Return when the broker has confirmed every message, in whatever order; it is waited for when it is away."""
        pending = list(numbered)
        while pending:
            futures: list[tuple[int, Message, Any]] = []
            failed: list[tuple[int, Message]] = []
            for n, message in pending:
                try:
                    futures.append((n, message, self._enqueue(n, message)))
                except KafkaError:
                    failed.append((n, message))
            for n, message, future in futures:
                try:
                    future.get(timeout=60)
                except KafkaError:
                    failed.append((n, message))
            self.again += len(failed)
            pending = failed

    def close(self) -> None:
        """Close the connections."""
        for producer in self._producers.values():
            producer.close(timeout=5)

    def _enqueue(self, n: int, message: Message) -> Any:
        # Of one key in one partition, as the product's producers do; what has no key goes anywhere.
        place = murmur2(message.key) & 0x7FFFFFFF if message.key is not None else zlib.crc32(str(n).encode())
        producer = self._producers[message.producer]
        return producer.send(
            TOPIC,
            key=message.key,
            value=message.value,
            headers=[(HEADER, str(n).encode())],
            partition=place % len(producer.partitions_for(TOPIC)),
        )

    @staticmethod
    def _producer(address: str, name: str) -> Any:
        return KafkaProducer(
            bootstrap_servers=address,
            client_id=f"chaos-producer-{name}",
            acks="all",
            enable_idempotence=False,  # the embedded broker has none, and the pipeline must not need it
            max_in_flight_requests_per_connection=1,
            linger_ms=5,
            metadata_max_age_ms=2_000,
            request_timeout_ms=5_000,
            delivery_timeout_ms=20_000,
            reconnect_backoff_max_ms=500,
            max_block_ms=20_000,
        )
