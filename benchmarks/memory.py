"""Memory of each worker (resident set, MB) at rest and after a burst of distinct mentions, on embedded services.

Limits: sentiment 900 MB, language and sink 250 MB. ``python -m benchmarks.memory [--quick]``
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from schemas.events import Mention, encode

LIMITS_MB = {"language": 250, "sentiment": 900, "sink": 250}
ENTRY = "from pipeline.cli.main import main; main()"


def run(quick: bool) -> dict[str, Any]:
    """Return, per role, MB at rest and the peak during ``messages``, with the limit and whether it holds."""
    messages = 2_000 if quick else 20_000
    with tempfile.TemporaryDirectory(prefix="babelwatch-memory-") as name:
        folder = Path(name)
        with EmbeddedBroker(folder / "broker") as broker, EmbeddedClickHouse(folder / "clickhouse") as clickhouse:
            environment = os.environ | {"KAFKA_BROKERS": broker.address, "CLICKHOUSE_URL": clickhouse.url}
            workers = {role: _start(role, folder, environment) for role in LIMITS_MB}
            try:
                pages = {role: _address(folder / f"{role}.out") for role in workers}
                _wait(lambda: all(_status(page)["partitions"] for page in pages.values()), 120)
                rest = {role: _status(page)["rss_bytes"] for role, page in pages.items()}
                peak = dict(rest)
                _send(broker.address, messages)

                def drained() -> bool:
                    states = {role: _status(page) for role, page in pages.items()}
                    for role, state in states.items():
                        peak[role] = max(peak[role], state["rss_bytes"])
                    done = sum(p["committed"] or 0 for p in states["sink"]["partitions"])
                    return done >= messages

                began = time.monotonic()
                _wait(drained, 600)
                seconds = time.monotonic() - began
            finally:
                for worker in workers.values():
                    worker.terminate()
                for worker in workers.values():
                    worker.wait(30)
    workers_mb = {
        role: {
            "rest_mb": round(rest[role] / 1e6),
            "peak_mb": round(peak[role] / 1e6),
            "limit_mb": limit,
            "ok": peak[role] / 1e6 <= limit,
        }
        for role, limit in LIMITS_MB.items()
    }
    return {"messages": messages, "seconds": round(seconds, 1), "workers": workers_mb}


def _start(role: str, folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    with (folder / f"{role}.out").open("wb") as out, (folder / f"{role}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", ENTRY, "worker", role, "--web-port", "0"], stdout=out, stderr=log, env=environment
        )


def _address(out: Path) -> str:
    def printed() -> str | None:
        found = re.search(r"(http://\S+)/health", out.read_text())
        return found.group(1) if found else None

    _wait(lambda: printed() is not None, 60)
    return printed() or ""


def _status(page: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{page}/status", timeout=10) as reply:  # noqa: S310
        state: dict[str, Any] = json.load(reply)
    return state


def _send(brokers: str, messages: int) -> None:
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=brokers, acks="all", linger_ms=5)
    now = datetime.now(UTC)
    for number in range(messages):
        text = f"the delivery number {number} came late again and nobody could tell me why, what a day"
        event = Mention(source="bench", id=f"{number}", text=text, published_at=now)
        producer.send("mentions", key=f"{number}".encode(), value=encode(event))
    producer.flush()
    producer.close()


def _wait(condition: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {timeout_s:.0f} s")
        time.sleep(0.5)


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
