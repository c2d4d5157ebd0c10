"""An embedded broker that ended and is back within a second has lost everything: workers must notice all the same."""

from pathlib import Path

import aiokafka
import pytest
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from agents.app import _PromptConsumer
from agents.control import Control
from agents.identity import Identity
from agents.probes import Probe, broker_question
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.ports import free_port
from pipeline.errors import WorkerStuck
from pipeline.kafka.admin import ensure_topics
from tests.services import MakeSettings


@pytest.mark.embedded
def test_a_broker_that_is_back_between_two_questions_is_noticed(tmp_path: Path, make_settings: MakeSettings) -> None:
    with EmbeddedBroker(tmp_path, free_port()) as broker:
        settings = make_settings(kafka_brokers=broker.address)
        recovered: list[int] = []
        probe = Probe("kafka", broker_question(settings), recovered=lambda: recovered.append(1))
        for _ in range(3):
            probe.ask()
        assert (probe.error, recovered) == ("", [])
        broker.child.kill()
        broker.start()
        probe.ask()
        probe.ask()
        assert (probe.error, recovered) == ("", [1])


@pytest.mark.embedded
async def test_no_offset_beyond_the_end_of_the_log_is_committed(tmp_path: Path, make_settings: MakeSettings) -> None:
    """What a worker has in hand when an embedded broker is replaced has offsets that the new log does not have yet."""
    with EmbeddedBroker(tmp_path) as broker:
        settings = make_settings(kafka_brokers=broker.address)
        ensure_topics(settings)
        partition = TopicPartition("mentions", 0)
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=broker.address) as producer:
            await producer.send_and_wait("mentions", b"{}", partition=0)
        consumer = _PromptConsumer(
            bootstrap_servers=broker.address, group_id="g", auto_offset_reset="earliest", enable_auto_commit=False
        )
        consumer.subscribe(["mentions"])
        await consumer.start()
        try:
            assert (await consumer.getone()).offset == 0
            with pytest.raises(CommitFailedError, match="beyond the end 1"):
                await consumer.commit({partition: OffsetAndMetadata(177, "")})
            assert await consumer.committed(partition) is None
            await consumer.commit({partition: OffsetAndMetadata(1, "")})
            assert await consumer.committed(partition) == 1
        finally:
            await consumer.stop()


@pytest.mark.embedded
def test_another_broker_ends_the_worker(
    tmp_path: Path, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = Control("sink")
    failures: list[BaseException] = []
    monkeypatch.setattr(control, "fail", failures.append)
    with EmbeddedBroker(tmp_path, free_port()) as broker:
        settings = make_settings(kafka_brokers=broker.address, connect_timeout_s=5.0)
        ensure_topics(settings)
        identity = Identity(settings, control)
        identity.learn()
        identity.check()
        assert not failures
        broker.child.kill()
        broker.start()
        ensure_topics(settings)
        identity.check()
    assert [type(failure) for failure in failures] == [WorkerStuck]
