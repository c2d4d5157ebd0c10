"""``babelwatch backfill`` as a user runs it: refused beforehand, held back by live traffic, killed, run again."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import end_offsets
from pipeline.kafka.topics import GROUPS, MENTIONS
from pipeline.settings import PACKAGE, Settings
from pipeline.store.client import connect
from schemas.ids import mention_id
from tests.integration.store_support import assert_rollups_equal_recount
from tests.integration.topic_support import records
from tests.integration.worker_process import WorkerProcess, counted, wait_until

START = datetime(2024, 2, 28, 22, 0, tzinfo=UTC)


@pytest.fixture
def settings(kafka_embedded: str, make_settings: Callable[..., Settings]) -> Settings:
    made = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(made)
    return made


def begin(settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BABELWATCH_", "KAFKA_", "CLICKHOUSE_"))}
    environment |= {
        "KAFKA_BROKERS": settings.require_kafka(),
        "BABELWATCH_DATA_DIR": str(settings.data_dir),
        "BABELWATCH_CONNECT_TIMEOUT_S": "20",
    }
    argv = [sys.executable, "-c", "from pipeline.cli.main import main; main()", "backfill", *arguments]
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def history(path: Path, count: int, every: timedelta = timedelta(minutes=7)) -> Path:
    """Mentions over February 29, the ends of days and months, told in an offset of quarter hours."""
    with path.open("w", encoding="utf-8") as file:
        for n in range(count):
            at = (START + n * every).strftime("%Y-%m-%dT%H:%M:%S") + "+05:45"
            mention = {"source": "h", "id": str(n), "text": f"Lumora text {n % 40}", "published_at": at}
            file.write(json.dumps(mention) + "\n")
    return path


def keys(count: int) -> set[bytes]:
    return {mention_id("default", "h", str(n), None, None, "").encode() for n in range(count)}


def sent(settings: Settings) -> int:
    return sum(end_offsets(settings, MENTIONS).values())


def finish(process: subprocess.Popen[bytes], timeout_s: float = 90) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out.decode(), err.decode()


def test_rows_out_of_range_are_refused_before_anything_is_sent(settings: Settings, tmp_path: Path) -> None:
    path = history(tmp_path / "h.jsonl", 5)
    future = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with path.open("a", encoding="utf-8") as file:
        for at in ("2009-01-01T00:00:00Z", future):
            file.write(json.dumps({"source": "h", "text": "x", "published_at": at}) + "\n")
    code, out, err = finish(begin(settings, str(path)))
    assert code == 2, err
    assert "7 rows, 5 can be sent, 1 too old, 1 in the future; from 2009-01-01" in out
    assert f"{path}:6: too_old" in err
    assert f"{path}:7: in_the_future" in err
    assert "--skip-out-of-range" in err
    assert sent(settings) == 0
    listed = [json.loads(line)["line"] for line in Path(f"{path}.out-of-range.jsonl").read_text().splitlines()]
    assert listed == [6, 7]

    code, out, err = finish(begin(settings, str(path), "--skip-out-of-range"))
    assert code == 10, err
    assert "5 sent and confirmed, 2 rejected" in out
    assert {key for key, _ in records(settings)} == keys(5)


def test_it_pauses_while_messages_wait_and_goes_on_when_they_are_done(settings: Settings, tmp_path: Path) -> None:
    path = history(tmp_path / "h.jsonl", 900)
    process = begin(settings, str(path), "--max-waiting", "200")
    worker = KafkaConsumer(**client_options(settings), group_id=GROUPS["language"], enable_auto_commit=False)
    partitions = [TopicPartition(MENTIONS, n) for n in end_offsets(settings, MENTIONS)]
    worker.assign(partitions)
    try:
        most = 0
        done = 0
        while process.poll() is None:
            wait_until("it sends", lambda done=done: sent(settings) > done or process.poll() is not None, 60)  # type: ignore[misc]
            time.sleep(1.0)  # more would have come by now
            now = sent(settings)
            most = max(most, now - done)
            ends = end_offsets(settings, MENTIONS)
            worker.commit({tp: OffsetAndMetadata(ends[tp.partition], "", -1) for tp in partitions})
            done = sum(ends.values())
        code, out, err = finish(process)
    finally:
        worker.close(autocommit=False)
    assert code == 0, err
    assert "paused while messages waited" in out
    assert most <= 201
    assert {key for key, _ in records(settings)} == keys(900)


def test_killed_and_stopped_it_goes_on_where_it_was(settings: Settings, tmp_path: Path) -> None:
    path = history(tmp_path / "h.jsonl", 1500)
    for how, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 130)):
        before = sent(settings)
        process = begin(settings, str(path), "--max-waiting", "100000", "--rate", "200/s")
        wait_until("some are sent", lambda before=before: sent(settings) > before + 300, 60)  # type: ignore[misc]
        process.send_signal(how)
        assert finish(process)[0] == code
    code, out, err = finish(begin(settings, str(path), "--max-waiting", "100000"))
    assert code == 0, err
    assert "this run went on after line" in out
    found = [key for key, _ in records(settings)]
    assert set(found) == keys(1500)
    assert len(found) - 1500 <= 220, "a second's worth at most is sent twice"
    code, out, _ = finish(begin(settings, str(path)))
    assert (code, "nothing new since the last run" in out) == (0, True)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(240)
def test_history_beside_live_mentions_counts_once_and_delays_none(
    settings: Settings, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    fast = PACKAGE / "sentiment" / "models" / "fast"
    all_of_it = make_settings(kafka_brokers=settings.kafka_brokers, clickhouse_url=clickhouse_url, model_path=fast)
    path = history(tmp_path / "h.jsonl", 1200)
    workers = [WorkerProcess(role, all_of_it, tmp_path).start() for role in ("language", "sentiment", "sink")]
    live, enough = [0], threading.Event()

    def live_traffic() -> None:
        producer = KafkaProducer(**client_options(settings), acks="all")
        while not enough.wait(0.1):
            mention = {"source": "live", "id": str(live[0]), "text": "Zentavo", "published_at": now()}
            producer.send(MENTIONS, value=json.dumps(mention).encode())
            live[0] += 1
        producer.close()

    thread = threading.Thread(target=live_traffic)
    try:
        for worker in workers:
            worker.ready()
        client = connect(clickhouse_url)
        thread.start()
        process = begin(settings, str(path), "--max-waiting", "300")
        wait_until("history arrives", lambda: counted(client) > 300, 60)
        process.kill()
        process.wait(10)
        for arguments in ([], ["--restart"]):  # the rest, then all of it again
            code, out, err = finish(begin(settings, str(path), "--max-waiting", "300", *arguments), 120)
            assert code == 0, err
            print(out)
        enough.set()
        thread.join(20)
        total = 1200 + live[0]
        wait_until("all are counted", lambda: counted(client) == total, 60, 0.5)
        assert_rollups_equal_recount(client)
        by_day = dict(
            client.execute(
                "SELECT toDate(minute), sum(mentions) FROM rollup_minute FINAL "
                "WHERE brand = '' AND minute < '2025-01-01' GROUP BY 1"
            )
        )
        expected: dict[object, int] = {}
        for n in range(1200):
            day = (START + n * timedelta(minutes=7) - timedelta(hours=5, minutes=45)).date()
            expected[day] = expected.get(day, 0) + 1
        assert by_day == expected
        delays = client.execute(
            "SELECT quantilesExact(0.5, 0.95, 1)(dateDiff('ms', received_at, stored_at)) FROM mentions FINAL "
            "WHERE source = 'live'"
        )[0][0]
        print(f"{live[0]} live mentions: ms from received to stored, p50 p95 max: {delays}")
        assert delays[1] < 15_000
    finally:
        enough.set()
        for worker in workers:
            worker.kill()


def now() -> str:
    return datetime.now(UTC).isoformat()
