"""Partitions added to topics in use: everybody finds the new ones, nothing is lost, the ledger stays whole."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.kafka.admin import ensure_topics, read_incarnation
from pipeline.kafka.offsets import OffsetReader, end_offsets
from pipeline.kafka.partitions import add_partitions
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.topics import DEAD, DETECTED, MENTIONS, SCORED
from pipeline.ledger_watch import LedgerWatch
from pipeline.reconcile import reconcile
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from pipeline.store.client import connect
from pipeline.store.ledger import LedgerStore
from schemas.events import Mention
from tests.integration.store_support import NOW
from tests.integration.worker_process import WorkerProcess, counted, environment_of, wait_until

MakeSettings = Callable[..., Settings]
FLOW = (MENTIONS, DETECTED, SCORED, DEAD)


class Stream(threading.Thread):
    """A mention every 10 ms, each edited once a second later: the edit may be in another partition than the first."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._settings = settings
        self.enough = threading.Event()
        self.mentions = 0
        self.sent = 0

    def run(self) -> None:
        with MentionProducer(self._settings) as producer:
            while not self.enough.wait(0.01):
                self._send(producer, self.mentions, 0)
                self.mentions += 1
                if self.mentions > 100:
                    self._send(producer, self.mentions - 101, 1)
            producer.flush()

    def _send(self, producer: MentionProducer, number: int, revision: int) -> None:
        at = NOW - timedelta(minutes=revision)
        text = f"the Lumora is fine ({number % 50})"
        producer.send(Mention(source="grown", id=f"{number}", revision=revision, text=text, published_at=at))
        self.sent += 1


def topics(settings: Settings, *arguments: str) -> str:
    """What `babelwatch topics` prints."""
    command = [sys.executable, "-m", "pipeline.cli", "topics", *arguments]
    return subprocess.run(
        command, env=environment_of(settings), capture_output=True, check=True, timeout=60
    ).stdout.decode()


@pytest.mark.slow
@pytest.mark.apache
@pytest.mark.timeout(240)
def test_from_4_to_32_under_load(
    kafka_apache: str, clickhouse_url: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_apache, clickhouse_url=clickhouse_url)
    ensure_topics(settings)
    client = connect(clickhouse_url)
    with ExitStack() as stack:
        reader, records = stack.enter_context(OffsetReader(settings)), stack.enter_context(RangeReader(settings))
        workers: list[WorkerProcess] = []
        for name in ("sink", "sentiment", "language", "language"):
            folder = tmp_path / f"{name}-{len(workers)}"
            folder.mkdir()
            workers.append(stack.enter_context(WorkerProcess(name, settings, folder)))
        for worker in workers:
            worker.ready()
        stream = Stream(settings)
        stream.start()
        stack.callback(stream.enough.set)
        store, incarnation = LedgerStore(client), read_incarnation(settings)
        watch = LedgerWatch(reader, records, store, incarnation)
        looks = []

        def pause() -> bool:
            time.sleep(0.2)
            return True

        def look() -> None:
            found = watch.look(pause)
            assert found is not None
            looks.append(found)

        wait_until("the stream flows", lambda: stream.mentions > 150, 30)
        look()
        grown = settings.model_copy(update={"topic_partitions": 32})
        assert "--add-partitions adds them" in topics(grown)
        assert "28 partitions added: 32 partitions" in topics(grown, "--add-partitions", "--yes")

        def new_ones_are_written(topic: str) -> bool:
            return sum(end > 0 for partition, end in end_offsets(settings, topic).items() if partition >= 4) > 8

        for topic in (MENTIONS, DETECTED, SCORED):
            wait_until(f"{topic} is written beyond its fourth partition", partial(new_ones_are_written, topic), 60)
            look()
        stream.enough.set()
        stream.join(60)
        wait_until(
            "all are stored",
            lambda: client.execute("SELECT count() FROM mentions FINAL WHERE is_deleted = 0")[0][0] == stream.mentions,
            60,
        )
        look()
        ends = end_offsets(settings, MENTIONS)
        found = reconcile(reader, records, store, incarnation, at_least=ends, timeout_s=60)

    assert len(found.proofs) == 32
    assert sum(proof.bounds.high for proof in found.proofs) == stream.sent
    assert found.complete, found
    assert all(one.complete for one in looks), "the watch never cried wolf"
    newest = client.execute(
        "SELECT count() FROM mentions FINAL WHERE revision = 1 AND published_at < %(now)s", {"now": NOW}
    )
    assert newest == [(max(0, stream.mentions - 100),)], "no old revision won"
    wait_until("the rollups follow", lambda: counted(client) == stream.mentions, 30)


def test_nothing_to_add_is_nothing_done(kafka_apache: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka_apache)
    assert add_partitions(settings) == {}, "no topic is there"
    ensure_topics(settings)
    assert add_partitions(settings) == {}
    assert add_partitions(settings.model_copy(update={"topic_partitions": 2})) == {}, "Kafka takes none away"
    with OffsetReader(settings) as reader:
        assert len(reader.ends([MENTIONS])) == 4
        assert add_partitions(settings.model_copy(update={"topic_partitions": 6})) == dict.fromkeys(FLOW, (4, 6))
        assert len(reader.ends([MENTIONS])) == 6, "an open reader knows them at once"


def test_a_broker_that_cannot_says_what_to_do(kafka_embedded: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(settings)
    with pytest.raises(SettingsError, match="set BABELWATCH_TOPIC_PARTITIONS before it starts"):
        add_partitions(settings.model_copy(update={"topic_partitions": 5}))
