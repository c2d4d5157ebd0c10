"""The ledger at hundreds of millions of offsets: how long a look takes, as a multiple of ClickHouse's own full scan.

The peer is the plainest question that reads the same column of the same rows, ``SELECT sum(last) FROM ledger``: no
proof can be quicker than reading what it proves from. Intervals are as the sink writes them: of up to 100 offsets, a
repeat or a dead letter between them now and then. 512 million offsets in full, 8 million with ``--quick``.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clickhouse_driver import Client

from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.store.client import connect
from pipeline.store.ledger import LedgerStore
from pipeline.store.migrations import migrate

PARTITIONS = 32
OFFSETS_PER_INTERVAL = 50
NEW = 20_000
"""Offsets per partition since the last look: fifteen seconds at over 40,000 mentions/s."""

_FILL = """
INSERT INTO ledger (incarnation, topic, `partition`, first, last, outcome)
SELECT 'benchmark', 'mentions', %(partition)s, number * 50, number * 50 + 49 - (number %% 1000 = 0),
       if(number %% 20 = 7, 'repeat', if(number %% 500 = 3, 'dead', 'stored'))
FROM numbers(%(intervals)s)
"""


def seconds(what: Callable[[], object], rounds: int) -> float:
    """Median of several runs."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        what()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure(client: Client, offsets: int, rounds: int) -> dict[str, Any]:
    """Fill the ledger, look at it, and compare."""
    each = offsets // PARTITIONS
    for partition in range(PARTITIONS):
        client.execute(_FILL, {"partition": partition, "intervals": each // OFFSETS_PER_INTERVAL})
    store = LedgerStore(client)
    rows, size = client.execute(
        "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'ledger' "
        "AND database = currentDatabase()"
    )[0]
    expected = each // OFFSETS_PER_INTERVAL // 1000

    def gaps(low: int) -> int:
        found = [store.gaps("benchmark", "mentions", p, low, each) for p in range(PARTITIONS)]
        return sum(map(len, found))

    if gaps(0) != expected * PARTITIONS:
        raise AssertionError("not every gap was found")
    scan = seconds(lambda: client.execute("SELECT sum(last) FROM ledger"), rounds)
    whole = seconds(lambda: gaps(0), rounds)
    counts = seconds(
        lambda: [store.counts("benchmark", "mentions", p, 0, each) for p in range(PARTITIONS)], max(1, rounds // 2)
    )
    new = seconds(lambda: gaps(each - NEW), rounds)
    return {
        "offsets": offsets,
        "intervals": int(rows),
        "bytes_per_million_offsets": round(int(size) / offsets * 1e6),
        "scan_s": scan,
        "all_gaps_s": whole,
        "all_gaps_times_scan": whole / scan,
        "all_counts_s": counts,
        "new_gaps_s": new,
        "gaps_found": expected * PARTITIONS,
    }


def run(quick: bool) -> dict[str, Any]:
    """See the module."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedClickHouse(Path(folder)) as server:
        url = f"{server.url.rpartition('/')[0]}/benchmark"
        migrate(url)
        return measure(connect(url), 8_000_000 if quick else 512_000_000, 1 if quick else 3)
