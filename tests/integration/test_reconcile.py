"""What was sent has ended, or it is found: real workers, both brokers, a real ClickHouse."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client
from kafka import KafkaProducer

from pipeline.kafka.admin import ensure_topics, read_incarnation
from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import OffsetReader, end_offsets
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import Gap
from pipeline.ledger_watch import LedgerWatch
from pipeline.reconcile import Reconciliation, reconcile
from pipeline.repair import repair
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from pipeline.store.client import connect
from pipeline.store.ledger import LedgerStore
from schemas.events import Mention
from tests.integration.store_support import NOW
from tests.integration.worker_process import WorkerProcess, command_json, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def mention(number: int) -> Mention:
    return Mention(source="ledger", id=f"m{number}", text=f"the Lumora is fine ({number})", published_at=NOW)


class Pipeline:
    """Three workers that can be stopped and started, and what asks about them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        self._stack = ExitStack()
        self.client: Client = connect(settings.require_clickhouse())
        self.store = LedgerStore(self.client)
        self.workers: dict[str, WorkerProcess] = {}
        for role in ("sink", "sentiment", "language"):
            self.start(role)
        for worker in self.workers.values():
            worker.ready()
        self.incarnation = read_incarnation(settings)

    def start(self, role: str, first: str = "") -> WorkerProcess:
        folder = self._folder / role
        folder.mkdir(exist_ok=True)
        self.workers[role] = self._stack.enter_context(WorkerProcess(role, self.settings, folder, first=first))
        return self.workers[role]

    def stop(self, role: str) -> None:
        self.workers[role].signal(signal.SIGTERM)
        self.workers[role].wait()

    @contextmanager
    def losing(self) -> Iterator[None]:
        """Meanwhile whatever is sent is read and lost."""
        self.stop("language")
        self.start("language", LOSES).ready()
        yield
        self.wait_until_read()
        self.stop("language")
        self.start("language").ready()

    def send(self, *events: Mention | bytes) -> None:
        with MentionProducer(self.settings) as producer:
            for event in events:
                producer.send(event)
            producer.flush()

    def wait_until_read(self) -> None:
        """Until the first stage has committed everything that was sent."""

        def read() -> bool:
            with OffsetReader(self.settings) as reader:
                return not sum(lag.lag for lag in reader.lag_of("language", MENTIONS))

        wait_until("the language worker has read everything", read, 60)

    def look(self) -> Reconciliation:
        ends = end_offsets(self.settings, MENTIONS)
        with OffsetReader(self.settings) as reader, RangeReader(self.settings) as records:
            return reconcile(reader, records, self.store, self.incarnation, at_least=ends, timeout_s=60)

    def command(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        return command_json(self.settings, "reconcile", *arguments)

    def stored(self) -> int:
        return int(self.client.execute("SELECT count() FROM mentions FINAL WHERE is_deleted = 0")[0][0])

    def close(self) -> None:
        self._stack.close()
        self.client.disconnect()


@pytest.fixture
def run(
    clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[Callable[[str], Pipeline]]:
    """Start the three workers on the broker at an address."""
    with ExitStack() as stack:

        def start(broker: str) -> Pipeline:
            settings = make_settings(kafka_brokers=broker, clickhouse_url=clickhouse_url)
            ensure_topics(settings)
            found = Pipeline(settings, tmp_path)
            stack.callback(found.close)
            return found

        yield start


LOSES = """
import agents.language
async def handle(self, batch):
    pass
agents.language.LanguageStage.handle = handle
"""
"""A language worker that acknowledges what it has thrown away."""


@pytest.mark.long("apache")
def test_every_offset_ends_and_what_a_stage_skips_is_found_and_repaired(
    run: Callable[[str], Pipeline], kafka: str
) -> None:
    pipeline = run(kafka)
    # stored, repeats, dead
    first = [mention(n) for n in range(60)]
    pipeline.send(*first, *first[:7], b"{not json", b"\xff")
    found = pipeline.look()
    assert found.complete, found
    assert found.counts() == {"stored": 60, "repeat": 7, "dead": 2, "absent": 0}
    assert sum(proof.bounds.high for proof in found.proofs) == 69

    # a worker that commits what it never read
    before = end_offsets(pipeline.settings, MENTIONS)
    with pipeline.losing():
        pipeline.send(*(mention(n) for n in range(100, 120)), b"[")
        ends = end_offsets(pipeline.settings, MENTIONS)
    pipeline.send(*(mention(n) for n in range(200, 230)))
    found = pipeline.look()
    assert not found.complete
    skipped = {Gap(p, before[p], end) for p, end in ends.items() if end > before[p]}
    assert {gap for proof in found.proofs for gap in proof.gaps} == skipped
    assert (found.gaps, pipeline.stored()) == (21, 90)

    code, told, errors = pipeline.command()
    assert (code, told["gap_offsets"]) == (13, 21)
    assert "21 offsets of mentions did not end" in errors
    assert "--repair" in errors

    code, told, errors = pipeline.command("--repair")
    assert (code, told["gap_offsets"], told["sent_again"]) == (0, 0, 21), errors
    assert pipeline.stored() == 110
    # 21 new offsets, on which the records came again, ended like the old ones
    assert told["counts"] == {"stored": 60 + 40 + 30, "repeat": 7, "dead": 2 + 2, "absent": 0}

    code, told, _ = pipeline.command("--repair")
    assert (code, told["sent_again"]) == (0, None)
    assert pipeline.stored() == 110


@pytest.mark.long
@pytest.mark.embedded
def test_a_repair_that_is_lost_too_is_repaired_by_the_next(run: Callable[[str], Pipeline], kafka_embedded: str) -> None:
    pipeline = run(kafka_embedded)
    with pipeline.losing():
        pipeline.send(*(mention(n) for n in range(5)))
        assert pipeline.command("--repair")[1]["gap_offsets"] == 10
    code, told, errors = pipeline.command("--repair")
    assert (code, told["sent_again"]) == (0, 10), errors
    assert (pipeline.stored(), told["gap_offsets"]) == (5, 0)


@pytest.mark.long
@pytest.mark.embedded
def test_the_watch_tells_a_gap_once_and_its_end(
    run: Callable[[str], Pipeline], kafka_embedded: str, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = run(kafka_embedded)
    pipeline.send(*(mention(n) for n in range(10)))
    pipeline.wait_until_read()
    with OffsetReader(pipeline.settings) as reader, RangeReader(pipeline.settings) as records:
        watch = LedgerWatch(reader, records, pipeline.store, pipeline.incarnation)

        def look() -> Reconciliation:
            pipeline.wait_until_read()
            found = watch.look(lambda: True)
            assert found is not None
            return found

        assert look().complete
        with pipeline.losing():
            pipeline.send(*(mention(n) for n in range(20, 23)))
        assert look().gaps == 3
        assert sum(mark.missing for mark in pipeline.store.marks(pipeline.incarnation)) == 3
        pipeline.send(mention(30))
        assert look().gaps == 3
        assert [r.message for r in caplog.records if "ended nowhere" in r.message][1:] == []
        # another watch begins where this one stood, and knows of it
        assert LedgerWatch(reader, records, pipeline.store, pipeline.incarnation).look(lambda: True).gaps == 3  # type: ignore[union-attr]
        with Redeliverer(pipeline.settings, pipeline.incarnation, "repair") as redeliverer:
            repair(records, redeliverer, look().proofs)
        wait_until("the repair has arrived", lambda: pipeline.stored() == 14, 30)
        assert look().complete
        assert "nothing is missing any more" in caplog.text


@pytest.mark.apache
def test_a_transactions_markers_and_what_it_aborted_are_no_gap(
    run: Callable[[str], Pipeline], kafka_apache: str
) -> None:
    pipeline = run(kafka_apache)
    producer = KafkaProducer(**client_options(pipeline.settings), acks="all", transactional_id=f"t{os.getpid()}")
    producer.init_transactions()
    for n in range(6):
        producer.begin_transaction()
        value = b'{"source":"t","id":"%d","text":"x","published_at":"%s"}' % (n, NOW.isoformat().encode())
        producer.send(MENTIONS, partition=0, value=value)
        if n < 3:
            producer.commit_transaction()
        else:
            producer.flush()
            producer.abort_transaction()
    producer.close()
    pipeline.send(mention(1))
    with OffsetReader(pipeline.settings) as reader, RangeReader(pipeline.settings) as records:
        # six records and their markers; the last four are no mentions, and are committed all the same
        ends = {partition: end for (_, partition), end in reader.ends([MENTIONS]).items()}
        assert ends[0] >= 12
        found = reconcile(
            reader, records, pipeline.store, pipeline.incarnation, at_least=ends, timeout_s=60
        )  # fmt: skip
    assert found.complete, found
    assert found.counts()["absent"] == 9, "six markers, and three mentions that were withdrawn"
    wait_until("what was committed is stored", lambda: pipeline.stored() == 4, 60)
    # ... and is nothing that waits
    worker = pipeline.workers["language"]
    wait_until("no lag is seen", lambda: not any(p["lag"] for p in worker.page("/status")[1]["partitions"]), 30)
