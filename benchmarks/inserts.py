"""ClickHouse under inserts at a steady rate: does it keep up, and do parts stay bounded?

Rows of ``mentions`` as the sink makes them, 2,000 at a time, 10,000 rows/s for ten minutes (one with ``--quick``),
into the table with its own engine, order and partitions. The peer is the same rows into a table without order
(``ORDER BY tuple()``) at full speed: what disk and protocol allow. The bound: at most 300 active parts in the whole
database at any time, a tenth of where ClickHouse refuses inserts (``parts_to_throw_insert``: 3,000 in a partition).
"""

import tempfile
import time
import uuid
from pathlib import Path
from typing import Any, Final

from clickhouse_driver import Client

from benchmarks.end_to_end import distinct_texts
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.store import rows as r
from pipeline.store.client import connect
from pipeline.store.migrations import migrate
from schemas.events import BrandMatch
from tests.browser.stage import scored

PER_S: Final = 10_000
BATCH: Final = 2_000
BOUND: Final = 300
_COPY: Final = "CREATE TABLE plain AS mentions ENGINE = MergeTree ORDER BY tuple()"


def columns(texts: list[str], run: int) -> list[list[Any]]:
    """A batch of distinct mentions of now, column by column."""
    brands = [BrandMatch(brand="lumora", start=0, end=6)]
    events = [
        scored(text, source="bench", ident=f"{run}-{n}", brands=brands if n % 2 else []) for n, text in enumerate(texts)
    ]
    return r.columns([r.mention_row(r.candidate(event)) for event in events])


def run(quick: bool) -> dict[str, Any]:
    """See the module."""
    seconds = 60 if quick else 600
    texts = distinct_texts(BATCH)
    with tempfile.TemporaryDirectory() as folder, EmbeddedClickHouse(Path(folder)) as server:
        url = f"{server.url.rpartition('/')[0]}/benchmark"
        migrate(url)
        client = connect(url)
        client.execute(_COPY)
        names = ", ".join(f"`{name}`" for name in r.MENTION_COLUMNS)
        # One batch is made once and its ids changed, so that the making costs nothing of the two cores.
        batch = columns(texts, 0)
        plain = _at_full_speed(client, names, batch)
        return {"peer_plain_table_rows_per_s": plain, **_steady(client, names, batch, seconds, plain)}


def _renew(batch: list[list[Any]], run: int) -> None:
    """Other ids, other offsets, the present time."""
    at = {name: batch[index] for index, name in enumerate(r.MENTION_COLUMNS)}
    now = int(time.time() * 1000)
    base = uuid.uuid4().int
    at["mention_id"][:] = [
        uuid.UUID(int=(base + n * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128) for n in range(BATCH)
    ]
    at["offset"][:] = range(run * BATCH, (run + 1) * BATCH)
    at["published_at"][:] = [now] * BATCH
    at["received_at"][:] = [now] * BATCH


def _insert(client: Client, table: str, names: str, batch: list[list[Any]]) -> None:
    client.execute(f"INSERT INTO {table} ({names}) VALUES", batch, columnar=True)


def _at_full_speed(client: Client, names: str, batch: list[list[Any]]) -> int:
    began = time.perf_counter()
    for number in range(50):
        _renew(batch, number)
        _insert(client, "plain", names, batch)
    rate = 50 * BATCH / (time.perf_counter() - began)
    client.execute("DROP TABLE plain SYNC")
    return round(rate)


def _parts(client: Client) -> int:
    return int(client.execute("SELECT count() FROM system.parts WHERE active AND database = currentDatabase()")[0][0])


def _steady(client: Client, names: str, batch: list[list[Any]], seconds: int, plain: int) -> dict[str, Any]:
    began, took, most, samples = time.monotonic(), 0.0, 0, []
    total = seconds * PER_S // BATCH
    for number in range(total):
        _renew(batch, number)
        start = time.perf_counter()
        _insert(client, "mentions", names, batch)
        took += time.perf_counter() - start
        if number % (total // 10) == 0:
            samples.append(_parts(client))
        if number % 10 == 0:
            most = max(most, _parts(client))
        ahead = (number + 1) * BATCH / PER_S - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
    elapsed = time.monotonic() - began
    rows = int(client.execute("SELECT count() FROM mentions")[0][0])
    return {
        "rows": rows,
        "asked_rows_per_s": PER_S,
        "rows_per_s": round(rows / elapsed, 1),
        "busy_share_of_one_connection": round(took / elapsed, 3),
        "ratio_of_possible_to_plain": round(rows / took / plain, 3),
        "parts_every_tenth_of_the_run": samples,
        "most_parts": most,
        "bound_of_parts": BOUND,
        "within_bound": most <= BOUND,
    }
