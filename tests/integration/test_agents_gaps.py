"""What was not delivered is read by itself, and what is large does not fill the memory."""

import asyncio
import os
import re
import signal
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError
from kafka import KafkaProducer

from agents.continuity import Gap
from agents.repair import read_gap
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.topics import DEAD, GROUPS, MENTIONS
from pipeline.settings import Settings
from tests.integration.worker_process import WorkerProcess, wait_until
from tests.services import MakeSettings

RECORDS = 3_000
MOST_MB = 350


def fill(settings: Settings, records: int, size: int, partitions: int = 1) -> None:
    with KafkaProducer(**client_options(settings), acks="all", max_request_size=2 << 20) as producer:
        for n in range(records):
            sent = producer.send(MENTIONS, value=b"\xff" * size, partition=n % partitions)
            if size * n % 20_000_000 == 0:
                sent.get(30)
        producer.flush(30)


async def read(settings: Settings, gap: Gap) -> int:
    return sum([len(found) async for found in read_gap(settings, gap, 256)])


@pytest.mark.embedded
async def test_a_broker_that_is_silent_is_no_evidence_that_nothing_is_there(
    tmp_path: Path, make_settings: MakeSettings
) -> None:
    """After three seconds of silence the rest of a gap counted as absent, and what follows it was acknowledged."""
    with EmbeddedBroker(tmp_path) as broker:
        settings = make_settings(kafka_brokers=broker.address)
        ensure_topics(settings)
        await asyncio.to_thread(fill, settings, RECORDS, 5_000)
        assert await read(settings, Gap(MENTIONS, 0, 0, RECORDS)) == RECORDS
        assert await read(settings, Gap(MENTIONS, 0, RECORDS - 10, RECORDS + 10)) == 10, "the log ends before the gap"
        chunks = read_gap(settings, Gap(MENTIONS, 0, 0, RECORDS), 256)
        found = len(await anext(chunks))
        os.kill(broker.pid, signal.SIGSTOP)
        asyncio.get_running_loop().call_later(6.0, os.kill, broker.pid, signal.SIGCONT)

        async def rest() -> None:
            nonlocal found
            async for records in chunks:
                found += len(records)

        with pytest.raises((TimeoutError, KafkaError)):
            await rest()
        os.kill(broker.pid, signal.SIGCONT)
        assert 0 < found < RECORDS


@pytest.mark.embedded
@pytest.mark.timeout(180)
def test_a_backlog_of_large_messages_does_not_fill_the_memory(tmp_path: Path, make_settings: MakeSettings) -> None:
    """400 of 1 MB were 900 MB: queue and batch were bounded in messages only, and each bad one lived on in a circle."""
    with EmbeddedBroker(tmp_path / "broker") as broker:
        settings = make_settings(kafka_brokers=broker.address)
        ensure_topics(settings)
        fill(settings, 400, 1_000_000, partitions=4)
        with WorkerProcess("language", settings, tmp_path) as worker, OffsetReader(settings) as reader:
            worker.ready()
            wait_until(
                "all are dead letters",
                lambda: sum(reader.committed(GROUPS["language"], [MENTIONS]).values()) == 400,
                120,
            )
            assert sum(reader.ends([DEAD]).values()) == 400
            assert worker.process is not None
            status = Path(f"/proc/{worker.process.pid}/status").read_text(encoding="ascii")
        peak_kb = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert peak_kb is not None
        assert int(peak_kb[1]) / 1024 < MOST_MB
