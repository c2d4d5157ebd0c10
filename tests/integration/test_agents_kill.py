"""Workers that are killed and stopped in the middle of a stream lose nothing."""

import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka import KafkaProducer

from pipeline.kafka.client import client_options
from pipeline.kafka.topics import MENTIONS
from pipeline.settings import Settings
from pipeline.store.client import connect
from schemas.events import Mention, encode
from schemas.ids import mention_id
from tests.integration.worker_process import WorkerProcess, counted, wait_until

TOTAL = 3000
ROLES = ("language", "sentiment", "sink")


@pytest.mark.long  # `make chaos ARGS=--short` kills workers on both brokers
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_lost_when_each_worker_is_killed_and_stopped(
    kafka: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka, clickhouse_url=clickhouse_url)
    workers = {role: WorkerProcess(role, settings, tmp_path).start() for role in ROLES}
    try:
        for worker in workers.values():
            worker.ready()
        client = connect(clickhouse_url)

        def stored() -> int:
            return int(client.execute("SELECT uniqExact(mention_id) FROM mentions FINAL")[0][0])

        producer = KafkaProducer(**client_options(settings), acks="all")
        ids = set()
        # all at once: each wait for a group to notice costs its session timeout
        interrupt = {TOTAL // 3: signal.SIGKILL, TOTAL * 2 // 3: signal.SIGTERM}
        for number in range(TOTAL):
            # few texts, so that the model's cache makes this quick; every id is its own
            event = Mention(source="t", id=f"{number}", text=f"text {number % 100}", published_at=datetime.now(UTC))
            ident = mention_id("default", "t", f"{number}", None, None, "")
            ids.add(ident)
            producer.send(MENTIONS, key=ident.encode(), value=encode(event))
            if number in interrupt:
                producer.flush()
                before = stored()
                wait_until("the stream moves", lambda before=before: stored() > before, 90)  # type: ignore[misc]
                how = interrupt[number]
                for worker in workers.values():
                    # Those that were killed are members again: the embedded broker lets nobody leave who only waits
                    # to become one, and such a worker ends by force.
                    worker.ready()
                for worker in workers.values():
                    worker.signal(how)
                for worker in workers.values():
                    code = worker.wait(15)
                    assert code == (0 if how == signal.SIGTERM else -signal.SIGKILL), worker.log()
                    worker.start()
        producer.close()
        wait_until(
            "all are stored\n" + "\n".join(w.log() for w in workers.values()), lambda: stored() == TOTAL, 120, 0.5
        )
        found = {
            row[0]
            for row in client.execute("SELECT lower(replaceAll(toString(mention_id), '-', '')) FROM mentions FINAL")
        }
        assert found == ids
        wait_until("the rollups follow", lambda: counted(client) == TOTAL, 30)
        wait_until(
            "every offset is committed",
            lambda: all(p["lag"] == 0 for w in workers.values() for p in w.page("/status")[1].get("partitions", [])),
            30,
        )
        for worker in workers.values():
            worker.signal(signal.SIGTERM)
        assert [worker.wait(15) for worker in workers.values()] == [0, 0, 0]
    finally:
        for worker in workers.values():
            worker.kill()
