"""Ours beside what an engineer would write otherwise, on the same work, in one run: speed, and what a kill costs.

Peers (``benchmarks/peers``): a kafka-python consumer with clickhouse-driver, aiokafka with clickhouse-connect, a
Bytewax dataflow; one process each, the same pure logic, the same stub in place of the model. Each gets a full topic,
and is killed (SIGKILL) three times in the middle and started again; then its counts are compared with what was sent.
Needs the extra ``bench`` (`make setup-bench`).
"""

import importlib.util
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import psutil
from clickhouse_driver import Client

from benchmarks.end_to_end import distinct_texts
from benchmarks.path import WARM, burst, records, speed, warmed_up
from benchmarks.peers.work import COUNTS, CREATE, TABLE
from pipeline.embedded.child import Child
from pipeline.embedded.environment import child_environment
from pipeline.store.client import connect
from pipeline.store.migrations import migrate
from tests.rig import ROOT, Rig, Source, rig, seconds_of

PEERS: Final = {
    "kafka-python + clickhouse-driver": "benchmarks.peers.plain",
    "aiokafka + clickhouse-connect": "benchmarks.peers.aio",
    "Bytewax + clickhouse-driver": "benchmarks.peers.bytewax_flow",
}
BROKER: Final = "embedded"
KILLS: Final = 3
QUIET_S: Final = 40.0
"""A peer that stores nothing for so long is done: a group waits for the session timeout of a member that was killed."""


def run(quick: bool) -> dict[str, Any]:
    """See the module; 5,000 mentions with ``quick``, in place of 30,000."""
    missing = [name for name in ("bytewax", "clickhouse_connect") if importlib.util.find_spec(name) is None]
    if missing:
        return {"skipped": f"not installed: {', '.join(missing)} (`make setup-bench`)"}
    total = 2_000 if quick else 30_000
    texts = distinct_texts(WARM + total)
    figures: dict[str, Any] = {"model": "none: a stub (label by hash)", "broker": BROKER, "mentions": total}
    for name, module in PEERS.items():
        with rig(BROKER, stub=True, workers=0) as bench:
            migrate(bench.clickhouse.url)
            figures[name] = _peer(bench, module, texts)
    with rig(BROKER, stub=True) as bench:
        figures["babelwatch"] = _ours(bench, texts)
    return figures


def _peer(bench: Rig, module: str, texts: list[str]) -> dict[str, Any]:
    client = connect(bench.clickhouse.url)
    for statement in CREATE:
        client.execute(statement)
    source = Source(bench.settings)
    environment = child_environment(bench.settings) | {
        "PYTHONPATH": str(ROOT),
        "PEER_HTTP_PORT": str(bench.clickhouse.http_port),
    }
    with tempfile.TemporaryDirectory() as folder:
        peer = Child("peer", [sys.executable, "-m", module], Path(folder) / "peer.log", env=environment)
        peer.start()
        try:
            source.send(records(texts[:WARM], "warm"))
            _wait(client, WARM, peer)
            texts = texts[WARM:]
            process = psutil.Process(peer.pid)
            before = bench.core_s() | {"peer": seconds_of(process)}
            began = time.monotonic()
            source.send(records(texts, "load"))
            elapsed = _wait(client, WARM + len(texts), peer) - began
            after = bench.core_s() | {"peer": seconds_of(process)}
            took = speed(before, after, len(texts), elapsed)
            sent = WARM + 2 * len(texts)
            _killed(client, peer, source, texts, sent)
            rows, distinct = client.execute(f"SELECT count(), uniqExact(mention_id) FROM {TABLE}")[0]
            counted = client.execute(f"SELECT sum(n) FROM {COUNTS} WHERE brand = ''")[0][0]
        finally:
            peer.kill()
            source.close()
    return took | {"after_3_kills": _wrong(sent, int(rows), int(distinct), int(counted))}


def _killed(client: Client, peer: Child, source: Source, texts: list[str], sent: int) -> None:
    """Send as much again, kill the peer three times meanwhile, and wait until it has done what it will do."""
    begin = _distinct(client)
    source.send(records(texts, "kill"))
    for part in range(1, KILLS + 1):
        deadline = time.monotonic() + 120
        while _distinct(client) < begin + len(texts) * part // (KILLS + 1) and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(peer.pid, signal.SIGKILL)
        peer.wait(10)
        peer.start()
    last, since = -1, time.monotonic()
    while time.monotonic() - since < QUIET_S:
        found = client.execute(f"SELECT count() FROM {TABLE}")[0][0]
        if found != last:
            last, since = found, time.monotonic()
        elif _distinct(client) == sent and time.monotonic() - since > 5:
            break
        time.sleep(0.5)


def _distinct(client: Client) -> int:
    return int(client.execute(f"SELECT uniqExact(mention_id) FROM {TABLE}")[0][0])


def _ours(bench: Rig, texts: list[str]) -> dict[str, Any]:
    source = Source(bench.settings)
    texts = list(warmed_up(bench, source, texts))
    took = burst(bench, source, texts, "load")
    source.send(records(texts, "kill"))
    for part in range(1, KILLS + 1):
        bench.wait_for(WARM + len(texts) + len(texts) * part // (KILLS + 1))
        for process in [child for child in bench.fleet.children.values() if child.running]:
            os.kill(process.pid, signal.SIGKILL)
        time.sleep(1)
    sent = WARM + 2 * len(texts)
    deadline = time.monotonic() + 180
    while True:
        rows, distinct = bench.client.execute("SELECT count(), uniqExact(mention_id) FROM mentions FINAL")[0]
        counted = bench.client.execute("SELECT sum(mentions) FROM rollup_minute FINAL WHERE brand = ''")[0][0]
        if distinct == counted == sent or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    time.sleep(3)
    source.close()
    return took | {
        "after_3_kills": _wrong(sent, int(rows), int(distinct), int(counted)) | {"killed": "all workers, each time"}
    }


def _wrong(sent: int, rows: int, distinct: int, counted: int) -> dict[str, Any]:
    return {
        "sent": sent,
        "lost": sent - distinct,
        "rows_too_many": rows - distinct,
        "counted_too_many": counted - sent,
    }


def _wait(client: Client, count: int, peer: Child) -> float:
    deadline = time.monotonic() + 600
    while client.execute(f"SELECT count() FROM {TABLE}")[0][0] < count:
        if not peer.running:
            raise RuntimeError(f"the peer ended: {peer.how_it_ended()}: {peer.last_words()}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"the peer did not store {count} mentions: {peer.last_words()}")
        time.sleep(0.1)
    return time.monotonic()
