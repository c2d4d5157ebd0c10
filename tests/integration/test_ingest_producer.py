"""The producer against real brokers: order, sizes, and that nothing unconfirmed goes unsaid."""

import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.ports import free_port
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.topics import MAX_MESSAGE_BYTES
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from schemas.events import EventError, Mention, MentionDeleted
from schemas.ids import mention_id
from tests.freezing import freeze, thaw
from tests.integration.topic_support import of_source, records

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def source() -> str:
    return f"producer-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def settings(kafka: str, make_settings: Callable[..., Settings]) -> Settings:
    made = make_settings(kafka_brokers=kafka)
    ensure_topics(made)
    return made


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """A broker of the test's own: it is stopped and killed."""
    broker = EmbeddedBroker(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


def test_messages_of_one_mention_keep_their_order(settings: Settings, source: str) -> None:
    with MentionProducer(settings, max_pending=50) as producer:
        for revision in range(100):
            for n in range(5):
                producer.send(Mention(source=source, id=str(n), revision=revision, text="x", published_at=WHEN))
        for n in range(5):
            producer.send(MentionDeleted(source=source, id=str(n), revision=99, deleted_at=WHEN))
        producer.flush()
    found = of_source(settings, source)
    for n in range(5):
        key = mention_id("default", source, str(n), None, None, "").encode()
        events = [json.loads(value) for k, value in found if k == key]
        assert [e["revision"] for e in events] == [*range(100), 99]
        assert events[-1]["type"] == "mention_deleted"
    assert len(found) == 505


def test_bytes_go_out_as_they_are(settings: Settings, source: str) -> None:
    poison = b"\xff\x00 not json " + source.encode()
    with MentionProducer(settings) as producer:
        producer.send(poison)
        producer.flush()
    assert (None, poison) in records(settings)


def test_the_largest_message_passes_and_a_larger_one_is_refused(settings: Settings) -> None:
    with MentionProducer(settings) as producer:
        with pytest.raises(MessageTooLarge, match=str(MAX_MESSAGE_BYTES)):
            producer.send(b"x" * MAX_MESSAGE_BYTES, key=b"k" * 32)
        producer.send(b"x" * (MAX_MESSAGE_BYTES - 256), key=b"k" * 32)
        producer.flush()


def test_an_event_that_json_cannot_carry(settings: Settings, source: str) -> None:
    with MentionProducer(settings) as producer:
        with pytest.raises(EventError, match="surrogate"):
            producer.send(Mention(source=source, id="1", text="\ud800", published_at=WHEN))
        far = datetime.fromisoformat("0001-01-01T00:00:00+14:00")
        with pytest.raises(EventError, match="years"):
            producer.send(Mention(source=source, text="x", published_at=far))
        producer.flush()
    assert of_source(settings, source) == []


@pytest.mark.embedded
def test_what_is_not_confirmed_is_said_and_arrives_when_the_broker_is_back(
    own_broker: EmbeddedBroker, make_settings: Callable[..., Settings], source: str
) -> None:
    settings = make_settings(kafka_brokers=own_broker.address)
    ensure_topics(settings)
    with MentionProducer(settings) as producer:
        producer.send(Mention(source=source, id="1", text="x", published_at=WHEN))
        producer.flush()
        freeze(own_broker.pid)
        producer.send(Mention(source=source, id="2", text="x", published_at=WHEN))
        with pytest.raises(BrokerUnavailable, match=f"{own_broker.address}.* 1 messages were not confirmed"):
            producer.flush(timeout_s=1.0)
        thaw(own_broker.pid)
        producer.flush(timeout_s=60.0)
    assert len(of_source(settings, source)) == 2


@pytest.mark.embedded
def test_a_failure_between_two_flushes_is_said_by_the_second(
    own_broker: EmbeddedBroker, make_settings: Callable[..., Settings], source: str
) -> None:
    settings = make_settings(kafka_brokers=own_broker.address)
    ensure_topics(settings)
    with MentionProducer(settings, delivery_timeout_s=2.0) as producer:
        producer.send(b"first")
        producer.flush()
        os.kill(own_broker.pid, signal.SIGKILL)
        for n in range(3):
            producer.send(Mention(source=source, id=str(n), text="x", published_at=WHEN))
        with pytest.raises(BrokerUnavailable, match="3 messages were not confirmed"):
            producer.flush()
        producer.flush()  # said once


def test_no_broker(make_settings: Callable[..., Settings]) -> None:
    nowhere = make_settings(kafka_brokers=f"127.0.0.1:{free_port()}", connect_timeout_s=1.0)
    with pytest.raises(BrokerUnavailable, match=r"KAFKA_BROKERS"):
        MentionProducer(nowhere)


@pytest.mark.apache
def test_a_topic_that_is_not_there_is_not_made_in_passing(
    kafka_apache: str, make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    # (the embedded broker makes a topic when anybody asks for it)
    monkeypatch.setattr("pipeline.sources.producer.MENTIONS", f"absent-{uuid.uuid4().hex}")
    settings = make_settings(kafka_brokers=kafka_apache, connect_timeout_s=2.0)
    with MentionProducer(settings) as producer, pytest.raises(BrokerUnavailable, match="babelwatch topics"):
        producer.send(b"x")
