"""The whole pipeline on this machine, as processes that can be measured: either broker, any number of workers.

With ``stub`` the sentiment worker has a stub in place of the model (``tests/chaos/judge.py``: the label is a hash of
the text), which is how the path around the model is measured and nothing else. Everything else is the product's own.
"""

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil
from aiokafka import AIOKafkaProducer
from clickhouse_driver import Client

from agents.batching import batches
from agents.outbox import Outgoing
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.embedded.environment import child_environment
from pipeline.embedded.ports import free_port
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.topics import MENTIONS
from pipeline.settings import Settings, load_settings
from pipeline.sources.producer import key_of
from pipeline.store.client import connect
from schemas.events import Mention, encode
from tests.chaos.brokers import Broker, broker_of
from tests.chaos.fleet import Fleet, names

BROKERS: Final = ("apache", "embedded")
ROOT: Final = Path(__file__).parents[1]
POLL_S: Final = 0.1


@dataclass
class Rig:
    """Services and workers that run; all of them end with :func:`rig`."""

    settings: Settings
    broker: Broker
    clickhouse: EmbeddedClickHouse
    fleet: Fleet
    client: Client

    def processes(self) -> dict[str, psutil.Process]:
        """Name of a service or worker -> its process."""
        found = {name: psutil.Process(self.fleet.children[name].pid) for name in self.fleet.running()}
        services = {"broker": self.broker.child.pid, "ClickHouse": self.clickhouse.pid}
        return {name: psutil.Process(pid) for name, pid in services.items()} | found

    def core_s(self) -> dict[str, float]:
        """User and system seconds so far, children included."""
        return {name: seconds_of(process) for name, process in self.processes().items()}

    def stored(self) -> int:
        """Rows of mentions. Cheap enough to ask ten times a second; not FINAL, so only for distinct mentions."""
        return int(self.client.execute("SELECT count() FROM mentions")[0][0])

    def wait_for(self, count: int, within_s: float = 600.0) -> float:
        """Return the monotonic time at which ``count`` rows were there. Raises TimeoutError."""
        deadline = time.monotonic() + within_s
        while (found := self.stored()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{found} of {count} mentions are stored after {within_s:.0f} s")
            time.sleep(POLL_S)
        return time.monotonic()


def seconds_of(process: psutil.Process) -> float:
    """Core-seconds of a process and its children."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


def core_ms(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    """Core-milliseconds per mention by process, of ``count`` mentions between two readings of core-seconds."""
    return {name: round((after[name] - before[name]) / count * 1000, 3) for name in after}


@contextmanager
def rig(
    broker_name: str,
    *,
    stub: bool,
    workers: int | Mapping[str, int] = 1,
    partitions: int = 4,
    begin_with: int | None = None,
    environment: Mapping[str, str] | None = None,
    **more: Any,
) -> Iterator[Rig]:
    """Start everything; ``workers`` of each role, or by role, of which ``begin_with`` of each run at first.

    ``environment`` is the workers' beside the ``more`` settings.

    Raises NotHere where the machine has not what Apache Kafka needs, RuntimeError when something does not start.
    """
    with tempfile.TemporaryDirectory(prefix="babelwatch-bench-") as name:
        folder = Path(name)
        each = (
            names(workers) if isinstance(workers, int) else [f"{r}-{n + 1}" for r in workers for n in range(workers[r])]
        )
        broker = broker_of(broker_name, folder, each, None)
        broker.start()
        try:
            with EmbeddedClickHouse(folder, free_port(), free_port()) as clickhouse:
                settings = load_settings(
                    data_dir=folder,
                    kafka_brokers=broker.address,
                    clickhouse_url=clickhouse.url,
                    topic_partitions=partitions,
                    author_key=secrets.token_hex(8),
                    **more,
                )
                ensure_topics(settings)
                own = child_environment(settings) | {"PYTHONPATH": str(ROOT)} | dict(environment or {})
                command = ("tests.chaos.worker",) if stub else ("pipeline.cli", "worker")
                fleet = Fleet(folder, dict.fromkeys(each, own), print, command)
                try:
                    fleet.start([n for n in each if begin_with is None or int(n.rpartition("-")[2]) <= begin_with])
                    yield Rig(settings, broker, clickhouse, fleet, connect(clickhouse.url))
                finally:
                    fleet.stop()
        finally:
            broker.child.stop(10)


class Source:
    """A producer that costs little, so that what is measured is the pipeline: aiokafka's batches, acks=all."""

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._kafka = self._loop.run_until_complete(self._connected(settings.require_kafka()))

    def send(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        """Send (key, value) and return when all are confirmed."""
        self._loop.run_until_complete(self._sent(records))

    def pace(self, records: Sequence[tuple[bytes, bytes]], per_s: float) -> None:
        """Send them at a steady rate, those of 20 ms together."""
        self._loop.run_until_complete(self._paced(records, per_s))

    def close(self) -> None:
        """Close the connections."""
        self._loop.run_until_complete(self._kafka.stop())
        self._loop.close()

    async def _connected(self, address: str) -> AIOKafkaProducer:
        kafka = AIOKafkaProducer(bootstrap_servers=address, acks="all", max_batch_size=128 * 1024)
        await kafka.start()
        return kafka

    async def _sent(self, records: Sequence[tuple[bytes, bytes]]) -> None:
        await asyncio.gather(*await self._begun(records))

    async def _begun(self, records: Sequence[tuple[bytes, bytes]]) -> list[Any]:
        """Hand everything over; what comes back is done when it is confirmed."""
        partitions = {MENTIONS: sorted(await self._kafka.partitions_for(MENTIONS))}
        made = batches(
            [Outgoing(MENTIONS, key, value, ()) for key, value in records], partitions, self._kafka.create_batch
        )
        return [await self._kafka.send_batch(one.builder, MENTIONS, partition=one.partition) for one in made]

    async def _paced(self, records: Sequence[tuple[bytes, bytes]], per_s: float) -> None:
        start, sent, begun = time.perf_counter(), 0, []
        while sent < len(records):
            due = min(len(records), int((time.perf_counter() - start) * per_s) + 1)
            begun += await self._begun(records[sent:due])
            sent = due
            await asyncio.sleep(0.02)
        await asyncio.gather(*begun)


def encoded(mention: Mention) -> tuple[bytes, bytes]:
    """Key and value of a record in topic ``mentions``."""
    return key_of(mention), encode(mention)
