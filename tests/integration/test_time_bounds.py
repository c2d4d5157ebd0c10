"""The bounds of time on live topics, through the real workers: in the window of its own time, or a dead letter."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer

from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import MENTIONS
from pipeline.settings import PACKAGE, Settings
from pipeline.store.client import connect
from tests.integration.worker_process import WorkerProcess, counted, wait_until


@pytest.mark.slow
@pytest.mark.embedded
@pytest.mark.timeout(200)
def test_late_early_and_out_of_bounds(
    kafka_embedded: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(
        kafka_brokers=kafka_embedded,
        clickhouse_url=clickhouse_url,
        model_path=PACKAGE / "sentiment" / "models" / "fast",
        max_age_days=30.0,
        max_future_s=600.0,
    )
    ensure_topics(settings)
    workers = [WorkerProcess(role, settings, tmp_path).start() for role in ("language", "sentiment", "sink")]
    try:
        for worker in workers:
            worker.ready()
        now = datetime.now(UTC).replace(microsecond=0)
        told = {
            "now": now,
            "hours late": now - timedelta(hours=13),
            "just in bounds": now - timedelta(days=29, hours=23),
            "too old": now - timedelta(days=30, minutes=1),
            "early": now + timedelta(minutes=9),
            "too early": now + timedelta(minutes=14),
            "a producer's clock": now - timedelta(minutes=3),
        }
        producer = KafkaProducer(**client_options(settings), acks="all")
        for name, at in told.items():
            value = json.dumps({"source": "t", "id": name, "text": name, "published_at": at.isoformat()}).encode()
            # a stamp of 1970 is a mistake of the producer's, and not when it was received
            stamp = 1000 if name == "a producer's clock" else None
            producer.send(MENTIONS, value=value, timestamp_ms=stamp)
        producer.close()
        client = connect(clickhouse_url)
        wait_until("all are counted", lambda: counted(client) == 5, 60)
        wait_until("both are dead", lambda: client.execute("SELECT count() FROM dead_letters FINAL") == [(2,)], 30)
        found = dict(client.execute("SELECT source_id, published_at FROM mentions FINAL"))
        assert found == {name: at for name, at in told.items() if not name.startswith("too")}
        minutes = client.execute("SELECT toUnixTimestamp64Second(minute) FROM rollup_minute FINAL WHERE mentions > 0")
        assert {row[0] for row in minutes} == {int(at.timestamp()) // 60 * 60 for at in found.values()}
        dead = client.execute("SELECT JSONExtractString(value, 'id'), reason FROM dead_letters FINAL ORDER BY 1")
        assert dead == [("too early", "in_the_future"), ("too old", "too_old")]
    finally:
        for worker in workers:
            worker.kill()
