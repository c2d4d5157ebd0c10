"""Topics as they should be, and the broker's incarnation: what makes its offsets unique for ever.

A broker that lost its data (the embedded one does at every stop) begins at offset 0 again. Its incarnation is the UUID
in the first record of topic ``babelwatch.incarnation``; whoever came first wrote it, and offset 0 is the truth.
"""

import logging
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from pipeline.errors import SettingsError
from pipeline.kafka.client import client_options, unavailable
from pipeline.kafka.topics import INCARNATION, TOPICS, Topic
from pipeline.metrics import RETRIES
from pipeline.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TopicState:
    """What the broker says about one of our topics. ``partitions`` 0: it does not exist."""

    topic: Topic
    partitions: int
    replicas: int


def ensure_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing and the incarnation; return the names that were created. Safe to run twice.

    Tries with backoff for ``settings.connect_timeout_s``, then raises BrokerUnavailable (address, remedy). Raises
    SettingsError when the broker refuses a topic (rights, replication factor), which no retry would change.
    """
    deadline = time.monotonic() + settings.connect_timeout_s
    pause = 0.2
    while True:
        try:
            created = _ensure(settings, max(0.5, deadline - time.monotonic()))
        except (KafkaError, OSError) as error:
            if time.monotonic() + pause > deadline:
                raise unavailable(
                    settings, f"no usable answer within {settings.connect_timeout_s:.0f} s ({kind(error)})"
                ) from error
            RETRIES.labels("admin", "ensure_topics").inc()
            log.warning("Kafka at %s: %s; trying again in %.1f s", settings.kafka_brokers, kind(error), pause)
            time.sleep(pause)
            pause = min(pause * 2, 3.0)
        else:
            return created


def read_incarnation(settings: Settings) -> str:
    """Return the broker's incarnation. Raises BrokerUnavailable when it cannot be read in ``connect_timeout_s``.

    It is written by :func:`ensure_topics`.
    """
    try:
        incarnation = _first_record(settings, settings.connect_timeout_s)
    except (KafkaError, OSError) as error:
        raise unavailable(settings, f"topic {INCARNATION} cannot be read ({kind(error)})") from error
    if incarnation is None:
        raise unavailable(settings, f"topic {INCARNATION} is empty; `babelwatch topics` writes it")
    return incarnation


def topic_states(settings: Settings) -> list[TopicState]:
    """Return the state of each of our topics. Raises BrokerUnavailable."""
    try:
        with admin(settings, settings.connect_timeout_s) as client:
            # All of them: asking for one by name would create it where the broker auto-creates topics.
            known = {t["name"]: t for t in client.describe_topics()}
    except (KafkaError, OSError) as error:
        raise unavailable(settings, f"topics cannot be read ({kind(error)})") from error
    states = []
    for topic in TOPICS:
        partitions = known.get(topic.name, {}).get("partitions", [])
        replicas = min((len(p.get("replica_nodes", ())) for p in partitions), default=0)
        states.append(TopicState(topic, len(partitions), replicas))
    return states


@contextmanager
def admin(settings: Settings, timeout_s: float) -> Iterator[Any]:
    """Give a kafka-python admin client that answers within ``timeout_s``, and close it. Raises KafkaError."""
    client = KafkaAdminClient(
        **client_options(settings),
        bootstrap_timeout_ms=int(timeout_s * 1000),
        request_timeout_ms=int(max(1.0, min(timeout_s, 30.0)) * 1000),
        reconnect_backoff_max_ms=2000,
    )
    try:
        yield client
    finally:
        client.close()


def kind(error: BaseException) -> str:
    """Kind of an error and its first words."""
    text = " ".join(str(error).split())[:200]
    return text if text.startswith(f"[{type(error).__name__}") or not text else f"{type(error).__name__}: {text}"


def require_reachable(settings: Settings, timeout_s: float = 3.0) -> None:
    """Return when one of the brokers accepts a connection. Raises OSError that says why none did.

    Asked before a client is made: kafka-python's clients retry in silence until their time is over.
    """
    reasons = []
    for address in client_options(settings)["bootstrap_servers"]:
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s):
                return
        except ValueError:
            raise SettingsError(f"KAFKA_BROKERS: {address!r} is not host:port") from None
        except OSError as error:
            reasons.append(f"{address}: {error.strerror or error}")
    raise ConnectionError("; ".join(reasons))


def _ensure(settings: Settings, timeout_s: float) -> list[str]:
    require_reachable(settings)
    with admin(settings, timeout_s) as client:
        existing = set(client.list_topics())
        missing = [topic for topic in TOPICS if topic.name not in existing]
        created = _create(client, settings, missing)
    if _first_record(settings, timeout_s) is None:
        _write_incarnation(settings, timeout_s)
    return created


def _create(client: Any, settings: Settings, topics: list[Topic]) -> list[str]:  # noqa: ANN401 - untyped library
    if not topics:
        return []
    wanted = {
        topic.name: {
            "num_partitions": topic.partitions or settings.topic_partitions,
            "replication_factor": settings.topic_replication_factor,
            "configs": topic.config(),
        }
        for topic in topics
    }
    answer = client.create_topics(wanted, raise_errors=False)
    created = []
    for result in answer["topics"]:
        error = for_code(result["error_code"])
        if result["error_code"] == 0:
            created.append(result["name"])
        elif error is TopicAlreadyExistsError:
            continue  # another process was quicker
        elif error.retriable:
            raise error(result.get("error_message") or "")
        else:
            raise SettingsError(
                f"Kafka at {settings.kafka_brokers} refused topic {result['name']} ({error.__name__}: "
                f"{result.get('error_message') or 'no reason given'}): check the rights of the user and "
                f"BABELWATCH_TOPIC_REPLICATION_FACTOR ({settings.topic_replication_factor}), or create it yourself"
            )
    client.wait_for_topics([topic.name for topic in topics])
    return created


def _first_record(settings: Settings, timeout_s: float) -> str | None:
    """Return the incarnation, or None when the topic is empty. Raises KafkaError."""
    partition = TopicPartition(INCARNATION, 0)
    consumer = KafkaConsumer(
        **client_options(settings),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=50,
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=int(timeout_s * 1000),
        request_timeout_ms=int(max(1.0, min(timeout_s, 30.0)) * 1000),
    )
    try:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for record in consumer.poll(timeout_ms=100, max_records=1).get(partition, []):
                return bytes(record.value).decode("ascii", "replace")
            # A fetch was answered: nothing below this offset, so the topic is empty.
            if consumer.highwater(partition) == 0:
                return None
    finally:
        consumer.close(autocommit=False)
    raise unavailable(settings, f"topic {INCARNATION} gave no answer within {timeout_s:.0f} s")


def _write_incarnation(settings: Settings, timeout_s: float) -> None:
    producer = KafkaProducer(
        **client_options(settings),
        acks="all",
        # The embedded broker has no InitProducerId.
        enable_idempotence=False,
        allow_auto_create_topics=False,
        bootstrap_timeout_ms=int(timeout_s * 1000),
        max_block_ms=int(timeout_s * 1000),
    )
    try:
        # Named, because the embedded broker makes a topic that a client asks about, with more partitions than ours.
        producer.send(INCARNATION, partition=0, value=str(uuid.uuid4()).encode()).get(timeout=timeout_s)
    finally:
        producer.close(timeout=2)
