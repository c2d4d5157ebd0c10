"""ClickHouse that is away or slow: the sink stops reading, stays small, and goes on by itself."""

from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import SCORED
from pipeline.settings import Settings
from pipeline.store.client import connect
from tests.freezing import frozen
from tests.integration.scored import scored
from tests.integration.worker_process import WorkerProcess, counted, wait_until

WAITING = 16_000
"""Messages of about 1 kB: read into memory they would be at least 30 MB, and far more as Python objects."""
GROWTH_MB = 40


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_sink_whose_clickhouse_is_away_stays_small_and_goes_on_by_itself(
    make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    with EmbeddedBroker(tmp_path / "broker") as broker, EmbeddedClickHouse(tmp_path / "clickhouse") as clickhouse:
        settings = make_settings(kafka_brokers=broker.address, clickhouse_url=clickhouse.url)
        with WorkerProcess("sink", settings, tmp_path) as sink:
            sink.ready()
            producer = KafkaProducer(**client_options(settings), acks="all", linger_ms=20)

            def send(start: int, end: int) -> None:
                for number in range(start, end):
                    key, value = scored(number)
                    producer.send(SCORED, key=key, value=value)
                producer.flush()

            def lag() -> int:
                return sum(p["lag"] for p in sink.page("/status")[1]["partitions"])

            client = connect(clickhouse.url)
            send(0, 3000)
            wait_until("the first are counted", lambda: counted(client) == 3000, 60)
            before = psutil.Process(sink.pid).memory_info().rss

            with frozen(clickhouse.pid):
                send(3000, WAITING)
                wait_until("its lag is told although it reads nothing", lambda: lag() > 12_000, 60)
                wait_until("it says so", lambda: sink.page("/health")[0] == 503, 20)
                grown = (psutil.Process(sink.pid).memory_info().rss - before) / 2**20
                assert grown < GROWTH_MB, f"{grown:.0f} MB more while {lag()} messages wait"
            wait_until("everything is counted", lambda: counted(client) == WAITING, 120)
            assert sink.process is not None
            assert sink.process.poll() is None, "the worker that waited is the one that went on"
            wait_until("it is well again", sink.healthy, 30)
