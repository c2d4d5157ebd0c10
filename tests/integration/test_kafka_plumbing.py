"""Topics, incarnation, end offsets and lag, on the embedded broker and on Apache Kafka."""

import threading
import time
from collections.abc import Callable

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.structs import OffsetAndMetadata

from pipeline.embedded.ports import free_port
from pipeline.errors import BrokerUnavailable, SettingsError
from pipeline.kafka.admin import ensure_topics, read_incarnation, topic_states
from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import OffsetReader, committed_offsets, end_offsets, lag
from pipeline.kafka.topics import GROUPS, INCARNATION, MENTIONS, TOPICS
from pipeline.settings import Settings

MakeSettings = Callable[..., Settings]


def produce(address: str, topic: str, count: int, batch: int = 100) -> None:
    """Send ``count`` messages in batches of ``batch``, so that offsets lie inside batches as well."""
    producer = KafkaProducer(bootstrap_servers=address, enable_idempotence=False, linger_ms=50)
    for number in range(count):
        producer.send(topic, key=str(number).encode(), value=b"x" * 100)
        if number % batch == batch - 1:
            producer.flush()
    producer.flush()
    producer.close()


def test_topics_are_created_once_with_their_partitions(kafka: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka, topic_partitions=3)
    assert sorted(ensure_topics(settings)) == sorted(topic.name for topic in TOPICS)
    assert ensure_topics(settings) == []
    assert {s.topic.name: s.partitions for s in topic_states(settings)} == {t.name: t.partitions or 3 for t in TOPICS}


@pytest.mark.apache
def test_retention_and_sizes_reach_the_broker(kafka_apache: str, make_settings: MakeSettings) -> None:
    ensure_topics(make_settings(kafka_brokers=kafka_apache))
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in TOPICS]
    with KafkaAdminClient(bootstrap_servers=kafka_apache) as admin:
        told = admin.describe_configs(resources, config_filter="all")
    for topic in TOPICS:
        described = str(told)
        assert topic.name in described
    for resource, topic in zip(resources, TOPICS, strict=True):
        with KafkaAdminClient(bootstrap_servers=kafka_apache) as admin:
            one = str(admin.describe_configs([resource], config_filter="all"))
        assert str(topic.max_message_bytes) in one, topic
        assert str(topic.retention_ms) in one, topic


@pytest.mark.parametrize("stamp", [1000, 1_000_000_000_000, 4_000_000_000_000])
def test_a_producers_clock_does_not_say_when_a_mention_was_received(
    kafka_apache: str, make_settings: MakeSettings, stamp: int
) -> None:
    settings = make_settings(kafka_brokers=kafka_apache)
    ensure_topics(settings)
    producer = KafkaProducer(**client_options(settings), acks="all")
    told = producer.send(MENTIONS, value=b"{}", timestamp_ms=stamp).get(30)
    producer.close()
    assert abs(told.timestamp / 1000 - time.time()) < 60


def test_incarnation_is_one_for_all_who_start_at_once(kafka: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka)
    found: list[str] = []

    def start() -> None:
        ensure_topics(settings)
        found.append(read_incarnation(settings))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(found[0]) == 36


def test_incarnation_is_new_with_a_new_embedded_broker(
    kafka_embedded: str, make_settings: MakeSettings, tmp_path: object
) -> None:
    from pathlib import Path

    from pipeline.embedded.broker import embedded_broker

    first = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(first)
    with embedded_broker(Path(str(tmp_path)) / "second") as address:
        second = make_settings(kafka_brokers=address)
        ensure_topics(second)
        assert read_incarnation(first) != read_incarnation(second)


def test_end_offsets_are_exact(kafka: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka)
    ensure_topics(settings)
    assert end_offsets(settings, MENTIONS) == {0: 0, 1: 0, 2: 0, 3: 0}
    produce(kafka, MENTIONS, 1003)
    assert sum(end_offsets(settings, MENTIONS).values()) == 1003
    assert sum(end_offsets(settings, INCARNATION).values()) == 1


def test_end_offsets_of_a_topic_that_does_not_exist(kafka: str, make_settings: MakeSettings) -> None:
    assert end_offsets(make_settings(kafka_brokers=kafka), "no-such-topic") == {}


def test_an_open_reader_sees_new_messages(kafka: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka)
    ensure_topics(settings)
    with OffsetReader(settings) as reader:
        for expected in (200, 400, 600):
            produce(kafka, MENTIONS, 200)
            assert sum(reader.ends([MENTIONS]).values()) == expected
            assert sum(p.lag for p in reader.lag()) == expected


def test_lag_by_role_and_partition(kafka: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka)
    ensure_topics(settings)
    produce(kafka, MENTIONS, 500)
    ends = end_offsets(settings, MENTIONS)
    before = {(p.role, p.partition): p for p in lag(settings) if p.topic == MENTIONS}
    assert {k: p.lag for k, p in before.items()} == {("language", n): end for n, end in ends.items()}
    assert all(p.committed is None for p in before.values())

    consumer = KafkaConsumer(
        bootstrap_servers=kafka, group_id=GROUPS["language"], enable_auto_commit=False, session_timeout_ms=6000
    )
    consumer.assign([TopicPartition(MENTIONS, n) for n in ends])
    done = {0: ends[0], 1: ends[1] // 2}
    consumer.commit({TopicPartition(MENTIONS, n): OffsetAndMetadata(o, "", -1) for n, o in done.items()})
    consumer.close(autocommit=False)

    assert committed_offsets(settings, GROUPS["language"], [MENTIONS]) == {(MENTIONS, n): o for n, o in done.items()}
    after = {p.partition: p for p in lag(settings) if p.role == "language"}
    assert {n: p.lag for n, p in after.items()} == {n: end - done.get(n, 0) for n, end in ends.items()}
    assert after[0].lag == 0


def test_broker_unreachable_names_address_and_remedy(make_settings: MakeSettings) -> None:
    port = free_port()
    settings = make_settings(kafka_brokers=f"127.0.0.1:{port}", connect_timeout_s=2)
    for action in (ensure_topics, read_incarnation, topic_states, lag):
        with pytest.raises(BrokerUnavailable) as caught:
            action(settings)
        assert f"127.0.0.1:{port}" in str(caught.value)
        assert "KAFKA_BROKERS" in str(caught.value)


def test_a_broker_that_comes_late_is_awaited(make_settings: MakeSettings, tmp_path: object) -> None:
    from pathlib import Path

    from pipeline.embedded.broker import EmbeddedBroker

    port = free_port()
    settings = make_settings(kafka_brokers=f"127.0.0.1:{port}", connect_timeout_s=40)
    created: list[str] = []
    waiting = threading.Thread(target=lambda: created.extend(ensure_topics(settings)))
    waiting.start()
    waiting.join(1.0)
    assert waiting.is_alive(), "nothing listens there yet"
    with EmbeddedBroker(Path(str(tmp_path)), port):
        waiting.join(40)
        assert len(created) == len(TOPICS)


@pytest.mark.apache
def test_a_topic_that_the_broker_refuses_is_no_matter_of_waiting(
    kafka_apache: str, make_settings: MakeSettings
) -> None:
    settings = make_settings(kafka_brokers=kafka_apache, topic_replication_factor=3)
    with pytest.raises(SettingsError, match="BABELWATCH_TOPIC_REPLICATION_FACTOR"):
        ensure_topics(settings)


def test_sasl_needs_both_and_the_password_is_never_shown(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match="BABELWATCH_KAFKA_SASL_PASSWORD"):
        client_options(make_settings(kafka_brokers="k:9092", kafka_security_protocol="SASL_SSL"))
    settings = make_settings(
        kafka_brokers="127.0.0.1:1",
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_sasl_username="me",
        kafka_sasl_password="s3cr3t-s3cr3t",
        connect_timeout_s=1,
    )
    assert client_options(settings)["sasl_plain_password"] == "s3cr3t-s3cr3t"
    with pytest.raises(BrokerUnavailable) as caught:
        ensure_topics(settings)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(settings)


def test_an_unknown_protocol_is_named(make_settings: MakeSettings) -> None:
    with pytest.raises(SettingsError, match="SASL_SSL"):
        client_options(make_settings(kafka_brokers="k:9092", kafka_security_protocol="TLS"))
