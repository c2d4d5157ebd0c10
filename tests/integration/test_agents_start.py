"""A worker that cannot start says what to do; one row that ClickHouse refuses; a worker that was frozen for a while."""

import signal
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaProducer

from pipeline.embedded.ports import free_port
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import MENTIONS, SCORED
from pipeline.settings import Settings
from pipeline.store.client import connect
from schemas.events import Mention, encode
from tests.freezing import frozen
from tests.integration.scored import scored
from tests.integration.worker_process import WorkerProcess, counted, wait_until


def test_no_broker(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    settings = make_settings(kafka_brokers=address, connect_timeout_s=2)
    with WorkerProcess("language", settings, tmp_path) as worker:
        assert worker.wait(60) == 3
        assert address in worker.log()
        assert "KAFKA_BROKERS" in worker.log(), "the remedy"
        assert "Traceback" not in worker.log()


def test_no_clickhouse(kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    port = free_port()
    url = f"clickhouse://someone:s3cr3t-password@127.0.0.1:{port}/babelwatch"
    settings = make_settings(kafka_brokers=kafka_embedded, clickhouse_url=url, connect_timeout_s=5)
    with WorkerProcess("sink", settings, tmp_path) as worker:
        assert worker.wait(60) == 3
        assert f"127.0.0.1:{port}" in worker.log()
        assert "CLICKHOUSE_URL" in worker.log(), "the remedy"
        assert "s3cr3t" not in worker.log()
        assert "Traceback" not in worker.log()


def test_a_stop_while_it_waits_for_its_services_is_no_failure(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=f"127.0.0.1:{free_port()}", connect_timeout_s=120)
    with WorkerProcess("language", settings, tmp_path) as worker:
        assert worker.address
        worker.signal(signal.SIGTERM)
        assert worker.wait(20) == 0, worker.log()
        assert "Traceback" not in worker.log()
        assert "stopped while it started" in (tmp_path / "language.out").read_text()


def test_a_crash_in_native_code_leaves_its_stacks(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = make_settings(kafka_brokers=f"127.0.0.1:{free_port()}", connect_timeout_s=120)
    with WorkerProcess("language", settings, tmp_path) as worker:
        assert worker.address
        worker.signal(signal.SIGSEGV)
        assert worker.wait(20) == -signal.SIGSEGV
        log = (tmp_path / "language.log").read_text()
        assert "Fatal Python error: Segmentation fault" in log
        assert "in ensure_topics" in log


def test_nothing_is_set(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    with WorkerProcess("language", make_settings(), tmp_path) as worker:
        assert worker.wait(60) == 2
        assert "KAFKA_BROKERS is not set" in worker.log()


def test_the_port_of_its_pages_is_taken(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = make_settings(kafka_brokers="127.0.0.1:1")
        worker = WorkerProcess("language", settings, tmp_path, web_port=taken.getsockname()[1])
        with worker:
            assert worker.wait(60) == 2
            assert "--web-port" in worker.log()


@pytest.mark.timeout(120)
def test_a_row_that_clickhouse_refuses_does_not_take_its_batch_along(
    kafka_embedded: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded, clickhouse_url=clickhouse_url)
    with WorkerProcess("sink", settings, tmp_path) as sink:
        sink.ready()
        producer = KafkaProducer(**client_options(settings), acks="all")
        for number in range(100):
            # valid as an event, but no UInt64
            changes: dict[str, object] = {"reach": -5} if number == 37 else {}
            _, value = scored(number, **changes)
            producer.send(SCORED, key=b"one partition", value=value)
        producer.flush()
        client = connect(clickhouse_url)

        def count(sql: str) -> int:
            return int(client.execute(sql)[0][0])

        wait_until(
            f"99 are stored\n{sink.log()}",
            lambda: count("SELECT uniqExact(mention_id) FROM mentions FINAL WHERE is_deleted = 0") == 99,
            30,
        )
        wait_until("one is dead", lambda: count("SELECT count() FROM dead_letters FINAL") == 1, 30)
        [(reason, stage, offset)] = client.execute("SELECT reason, stage, offset FROM dead_letters FINAL")
        assert (reason, stage, offset) == ("store_refused", "sink", 37), "its origin is where it entered"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_worker_that_was_frozen_longer_than_the_session_comes_back(
    kafka_apache: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_apache, clickhouse_url=clickhouse_url)
    second_folder = tmp_path / "second"
    second_folder.mkdir()
    with (
        WorkerProcess("sink", settings, tmp_path) as first,
        WorkerProcess("sink", settings, second_folder) as second,
    ):
        first.ready()
        second.ready()
        producer = KafkaProducer(**client_options(settings), acks="all")
        client = connect(clickhouse_url)

        def send(start: int, end: int) -> None:
            for number in range(start, end):
                key, value = scored(number)
                producer.send(SCORED, key=key, value=value)
            producer.flush()

        def stored() -> int:
            return int(client.execute("SELECT uniqExact(mention_id) FROM mentions FINAL")[0][0])

        send(0, 300)
        wait_until("the first are stored", lambda: stored() == 300, 60)
        with frozen(first.pid):
            began = time.monotonic()
            send(300, 900)
            wait_until(f"the other one takes over\n{second.log()}", lambda: stored() == 900, 60)
            wait_until("the session timeout passes", lambda: time.monotonic() - began > 12, 20)
        send(900, 1200)
        wait_until(f"all are stored\n{first.log()}\n{second.log()}", lambda: stored() == 1200, 60)
        wait_until(f"it is a member again\n{first.log()}", first.healthy, 60)
        wait_until("the rollups follow", lambda: counted(client) == 1200, 30)


NO_BROKERS = """
from aiokafka.client import AIOKafkaClient
from faust.assignor.partition_assignor import PartitionAssignor

answer, assign, assigned = AIOKafkaClient._metadata_update, PartitionAssignor.assign, []

async def metadata_update(client, cluster, topics):
    return bool(assigned) and await answer(client, cluster, topics)

def first_assign(self, cluster, members):
    assigned.append(members)
    return assign(self, cluster, members)

AIOKafkaClient._metadata_update = metadata_update
PartitionAssignor.assign = first_assign
"""
"""What aiokafka makes of an answer without brokers. A broker that was frozen is fenced by its own controller for a
moment when it goes on, and answers so."""


@pytest.mark.timeout(120)
def test_a_leader_that_knew_no_partitions_when_its_group_was_formed_gives_them_out_soon(
    kafka_apache: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Seen in `make chaos`: no worker of a group got anything, and nobody asked again for five minutes.

    The embedded broker names all topics in its first answer, so it cannot happen there.
    """
    settings = make_settings(kafka_brokers=kafka_apache)
    with WorkerProcess("language", settings, tmp_path, first=NO_BROKERS) as worker:
        wait_until(f"it is a member\n{worker.log()}", worker.healthy, 60)
        worker.ready(30)
        assert "Ignoring missing topic: 'mentions'" in worker.log()


@pytest.mark.timeout(120)
def test_mentions_arrive_with_the_time_of_the_record(
    kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """``received_at`` is the record's: a redelivery must give the same event."""
    from kafka import KafkaConsumer

    settings = make_settings(kafka_brokers=kafka_embedded)
    with WorkerProcess("language", settings, tmp_path) as worker:
        worker.ready()
        producer = KafkaProducer(**client_options(settings), acks="all")
        stamp = int(datetime.now(UTC).timestamp() * 1000) - 60_000
        event = encode(Mention(source="t", id="1", text="well", published_at=datetime.now(UTC)))
        producer.send(MENTIONS, key=b"1", value=event, timestamp_ms=stamp)
        producer.send(MENTIONS, key=b"1", value=event, timestamp_ms=stamp)
        producer.flush()
        consumer = KafkaConsumer(
            "mentions.detected", **client_options(settings), auto_offset_reset="earliest", group_id=None
        )
        values: list[bytes] = []

        def both() -> bool:
            for records in consumer.poll(timeout_ms=500).values():
                values.extend(r.value for r in records)
            return len(values) >= 2

        wait_until("both arrive", both, 30)
        consumer.close()
        expected = datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        assert all(f'"received_at":"{expected.rstrip("0Z").rstrip(".")}' in v.decode() for v in values)
