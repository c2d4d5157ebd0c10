"""Peer: kafka-python's consumer and clickhouse-driver in a loop; commits after the insert."""

from kafka import KafkaConsumer

from benchmarks.peers.work import BATCH, COLUMNS, TABLE, WITHIN_S, Work
from pipeline.settings import load_settings
from pipeline.store import rows as r
from pipeline.store.client import connect


def main() -> None:
    """Run until it is killed."""
    settings = load_settings()
    work, client = Work(settings), connect(settings.require_clickhouse())
    names = ", ".join(f"`{name}`" for name in COLUMNS)
    consumer = KafkaConsumer(
        "mentions",
        bootstrap_servers=settings.require_kafka(),
        group_id="peer-plain",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_poll_records=BATCH,
        session_timeout_ms=6_000,
    )
    while True:
        polled = consumer.poll(timeout_ms=int(WITHIN_S * 1000))
        rows = work.rows([record.value for records in polled.values() for record in records])
        if rows:
            client.execute(f"INSERT INTO {TABLE} ({names}) VALUES", r.columns(rows), columnar=True)
        if polled:
            consumer.commit()


if __name__ == "__main__":
    main()
