"""/health follows a broker and a ClickHouse that are stopped with SIGSTOP, and nothing is lost meanwhile."""

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaProducer

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import MENTIONS, SCORED
from pipeline.settings import Settings
from pipeline.store.client import connect
from schemas.events import Mention, encode
from tests.freezing import frozen
from tests.integration.scored import scored
from tests.integration.worker_process import WorkerProcess, wait_until

LIMIT_S = 10


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_health_fails_within_ten_seconds_and_recovers(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker, EmbeddedClickHouse(tmp_path / "clickhouse") as clickhouse:
        settings = make_settings(kafka_brokers=broker.address, clickhouse_url=clickhouse.url)
        with (
            WorkerProcess("language", settings, tmp_path) as language,
            WorkerProcess("sink", settings, tmp_path) as sink,
        ):
            language.ready()
            sink.ready()
            producer = KafkaProducer(**client_options(settings), acks="all")
            client = connect(clickhouse.url)
            sent = 0

            def send(count: int) -> None:
                nonlocal sent
                for _ in range(count):
                    key, value = scored(sent)
                    producer.send(SCORED, key=key, value=value)
                    sent += 1
                producer.flush()

            def arrived() -> bool:
                found: int = client.execute("SELECT uniqExact(mention_id) FROM mentions FINAL")[0][0]
                return found == sent

            send(200)
            wait_until("the first are stored", arrived, 30)

            with frozen(clickhouse.pid):
                send(300)
                wait_until("sink says 503", lambda: sink.page("/health")[0] == 503, LIMIT_S)
                body = sink.page("/health")[1]
                assert not body["dependencies"]["clickhouse"]["up"]
                assert body["dependencies"]["kafka"]["up"]
                assert language.page("/health")[0] == 200, "it does not need ClickHouse"
            wait_until("sink recovers", sink.healthy, 60)
            wait_until(f"nothing was lost\n{sink.log()}", arrived, 60)

            # longer than the session timeout of 10 s: the broker may have thrown the members out
            began = time.monotonic()
            with frozen(broker.pid):
                for worker in (language, sink):
                    left = LIMIT_S - (time.monotonic() - began)
                    wait_until(f"{worker.role} says 503", lambda w=worker: w.page("/health")[0] == 503, left)  # type: ignore[misc]
                wait_until("the session timeout passes", lambda: time.monotonic() - began > 14, 20)
                assert sink.page("/health")[1]["dependencies"]["clickhouse"]["up"]
            wait_until("sink recovers", sink.healthy, 60)
            wait_until("language recovers", language.healthy, 60)
            send(300)
            wait_until(f"nothing was lost\n{sink.log()}", arrived, 60)
            assert language.process is not None
            assert sink.process is not None
            assert (language.process.poll(), sink.process.poll()) == (None, None), "neither had to be restarted"
            for worker in (language, sink):
                worker.signal(signal.SIGTERM)
                assert worker.wait(15) == 0, worker.log()


@pytest.mark.timeout(120)
def test_a_stop_while_the_broker_hangs_ends_all_the_same(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        settings = make_settings(kafka_brokers=broker.address)
        with WorkerProcess("language", settings, tmp_path) as language:
            language.ready()
            producer = KafkaProducer(**client_options(settings), acks="all")
            now = datetime.now(UTC)
            for number in range(500):
                producer.send(MENTIONS, value=encode(Mention(source="t", id=f"{number}", text="x", published_at=now)))
            producer.flush()
            with frozen(broker.pid):
                language.signal(signal.SIGTERM)
                assert language.wait(20) in (0, 9)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_broker_that_lost_its_data_is_another_broker(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker:
        settings = make_settings(kafka_brokers=broker.address, connect_timeout_s=5)
        with WorkerProcess("language", settings, tmp_path) as language:
            language.ready()
            os.kill(broker.pid, signal.SIGKILL)
            wait_until("its pages say so", lambda: language.page("/health")[0] == 503, LIMIT_S)
            with EmbeddedBroker(tmp_path / "again", broker.port):
                assert language.wait(60) == 9, language.log()
                assert "lost its data" in language.log()
                language.start().ready()


@pytest.mark.timeout(120)
def test_metrics_and_status_of_a_worker(
    kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded)
    with WorkerProcess("language", settings, tmp_path) as language:
        language.ready()
        producer = KafkaProducer(**client_options(settings), acks="all")
        now = datetime.now(UTC)
        for number in range(100):
            key = f"{number}".encode()
            producer.send(
                MENTIONS, key=key, value=encode(Mention(source="t", id=f"{number}", text="x", published_at=now))
            )
        producer.flush()

        def committed() -> bool:
            return sum(p["committed"] or 0 for p in language.page("/status")[1]["partitions"]) == 100

        wait_until(f"the offsets are committed\n{language.log()}", committed, 30)
        status = language.page("/status")[1]
        assert sum(p["end"] for p in status["partitions"]) == 100, "the end is the high watermark"
        assert sum(p["lag"] for p in status["partitions"]) == 0
        metrics = language.page("/metrics")[1]
        assert 'babelwatch_messages_in_total{role="language",topic="mentions"} 100.0' in metrics
        assert 'babelwatch_messages_out_total{role="language",topic="mentions.detected"} 100.0' in metrics
        for partition in range(settings.topic_partitions):
            labels = f'{{partition="{partition}",role="language",topic="mentions"}}'
            assert f"babelwatch_committed_offset_age_seconds{labels} 0.0" in metrics
            assert f"babelwatch_lag_messages{labels} 0.0" in metrics
        assert "process_resident_memory_bytes" in metrics
        assert 'babelwatch_dependency_up{dependency="kafka",role="language"} 1.0' in metrics
