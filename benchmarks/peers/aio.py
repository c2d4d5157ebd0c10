"""Peer: aiokafka's consumer and clickhouse-connect (HTTP) in a loop; commits after the insert."""

import asyncio
import os
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from aiokafka import AIOKafkaConsumer

from benchmarks.peers.work import BATCH, COLUMNS, TABLE, WITHIN_S, Work
from pipeline.settings import load_settings


async def loop() -> None:
    """Run until it is killed."""
    settings = load_settings()
    url = urlsplit(settings.require_clickhouse())
    client = await clickhouse_connect.get_async_client(
        host=url.hostname,
        port=int(os.environ["PEER_HTTP_PORT"]),
        username=url.username,
        password=unquote(url.password or ""),
        database=url.path.strip("/"),
    )
    work = Work(settings)
    consumer = AIOKafkaConsumer(
        "mentions",
        bootstrap_servers=settings.require_kafka(),
        group_id="peer-aio",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
    )
    await consumer.start()
    while True:
        polled = await consumer.getmany(timeout_ms=int(WITHIN_S * 1000), max_records=BATCH)
        values = [record.value for records in polled.values() for record in records]
        rows = await asyncio.to_thread(work.rows, values)
        if rows:
            await client.insert(TABLE, rows, column_names=COLUMNS)
        if polled:
            await consumer.commit()


if __name__ == "__main__":
    asyncio.run(loop())
