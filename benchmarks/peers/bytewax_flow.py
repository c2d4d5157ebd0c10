"""Peer: a Bytewax dataflow (Rust engine, librdkafka) with a sink on clickhouse-driver.

Without a recovery store Bytewax keeps no position: after a crash it begins where it is told to. It is given none here,
as its documentation's first example does.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING

from benchmarks.peers.work import BATCH, COLUMNS, TABLE, WITHIN_S, Work
from pipeline.settings import load_settings
from pipeline.store import rows as r
from pipeline.store.client import connect


class _Partition(StatelessSinkPartition[list[bytes]]):
    def __init__(self) -> None:
        settings = load_settings()
        self._work, self._client = Work(settings), connect(settings.require_clickhouse())
        self._names = ", ".join(f"`{name}`" for name in COLUMNS)

    def write_batch(self, items: Sequence[list[bytes]]) -> None:
        rows = self._work.rows([value for item in items for value in item])
        if rows:
            self._client.execute(f"INSERT INTO {TABLE} ({self._names}) VALUES", r.columns(rows), columnar=True)


class _Sink(DynamicSink[list[bytes]]):
    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> _Partition:
        return _Partition()


def main() -> None:
    """Run until it is killed."""
    flow = Dataflow("peer")
    source: Any = KafkaSource(
        brokers=load_settings().require_kafka().split(","),
        topics=["mentions"],
        starting_offset=OFFSET_BEGINNING,
        tail=True,
        batch_size=BATCH,
    )
    messages = op.input("in", flow, source)
    keyed = op.map("key", messages, lambda message: ("all", message.value))
    batches = op.collect("batch", keyed, timeout=timedelta(seconds=WITHIN_S), max_size=BATCH)
    op.output("out", op.map("values", batches, lambda pair: pair[1]), _Sink())
    cli_main(flow)


if __name__ == "__main__":
    main()
