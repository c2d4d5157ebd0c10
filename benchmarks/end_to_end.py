"""End to end on one machine: mentions/s, core-milliseconds per mention by stage, latency at half of that load.

Everything runs here: embedded broker, embedded ClickHouse, three workers and the dashboard. The peer is the same model
alone in one process (`babelwatch score` on the same texts, in the same run): the ratio is what the pipeline costs.
"""

import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from clickhouse_driver import Client

from pipeline.kafka.admin import read_incarnation
from pipeline.sentiment.model import load_model
from pipeline.settings import Settings, load_settings
from pipeline.sources.producer import MentionProducer
from pipeline.stack import Stack
from pipeline.store.accounting import stored_ids
from pipeline.store.client import connect
from schemas.events import Mention
from tests.rig import core_ms, seconds_of

SAMPLE = Path(__file__).parent.parent / "pipeline" / "sample"


def distinct_texts(count: int) -> list[str]:
    """``count`` distinct texts: pairs of sample mentions of one language, so that no cache can help."""
    by_language: dict[str, list[str]] = {}
    for file in sorted(SAMPLE.glob("mentions*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            by_language.setdefault(row["language"], []).append(row["text"])
    pools = [itertools.permutations(texts, 2) for texts in by_language.values()]
    texts: dict[str, None] = {}
    for pair in itertools.chain.from_iterable(itertools.zip_longest(*pools)):
        if pair is not None:
            texts[f"{pair[0][:70]} {pair[1][:50]}"] = None
        if len(texts) == count:
            return list(texts)
    raise SystemExit(f"the sample gives only {len(texts)} distinct pairs")


def mentions(texts: list[str], run: str) -> Iterator[Mention]:
    """One mention per text, published now."""
    for number, text in enumerate(texts):
        yield Mention(source="bench", id=f"{run}-{number}", text=text, published_at=datetime.now(UTC))


def processes(stack: Stack) -> dict[str, psutil.Process]:
    """Every process of the stack by the name of its stage."""
    return {name: psutil.Process(pid) for name, pid in stack.pids().items()}


def cpu_seconds(stages: dict[str, psutil.Process]) -> dict[str, float]:
    """User and system time so far, children included."""
    return {name: seconds_of(process) for name, process in stages.items()}


def model_alone(settings: Settings, texts: list[str]) -> float:
    """Texts per second of the model in this process, no pipeline around it."""
    model = load_model(settings)
    model.judge(texts[:64], ["und"] * 64)
    started = time.perf_counter()
    for start in range(64, len(texts), 256):
        batch = texts[start : start + 256]
        model.judge(batch, ["und"] * len(batch))
    return (len(texts) - 64) / (time.perf_counter() - started)


def run(quick: bool) -> dict[str, Any]:
    """Return the figures; ``quick`` takes 2,000 mentions in place of 20,000."""
    total = 2_000 if quick else 20_000
    texts = distinct_texts(total + 4_000)
    with tempfile.TemporaryDirectory(prefix="babelwatch-bench-") as folder:
        settings = load_settings(data_dir=Path(folder), dashboard_port=0)
        alone = model_alone(settings, texts[-2_000:])
        stack = Stack(settings)
        stack.start()
        try:
            return {"model_alone_per_s": round(alone, 1), **_measure(stack, texts, total, alone)}
        finally:
            stack.stop()


def percentiles(client: Client, since: datetime) -> dict[str, float]:
    """Produce (the record's time at the producer) to visible in ClickHouse, ms, of what was published since then."""
    rows = client.execute(
        "SELECT count(), quantilesExact(0.5, 0.95, 0.99)(toUnixTimestamp64Milli(stored_at) "
        "- toUnixTimestamp64Milli(received_at)) FROM mentions FINAL WHERE published_at >= %(since)s",
        {"since": since},
    )
    count, (p50, p95, p99) = rows[0]
    return {"mentions": count, "p50": p50, "p95": p95, "p99": p99}


def _measure(stack: Stack, texts: list[str], total: int, alone: float) -> dict[str, Any]:
    assert stack.settings.clickhouse_url is not None
    client = connect(stack.settings.clickhouse_url.get_secret_value())
    incarnation = read_incarnation(stack.settings)
    producer = MentionProducer(stack.settings)

    def wait_for(count: int) -> None:
        deadline = time.monotonic() + 1200
        while stored_ids(client, incarnation) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{stored_ids(client, incarnation)} of {count} mentions were stored")
            time.sleep(0.2)

    for mention in mentions(texts[total : total + 300], "warm"):
        producer.send(mention)
    producer.flush()
    wait_for(300)

    stages = processes(stack)
    before, started = cpu_seconds(stages), time.perf_counter()
    for mention in mentions(texts[:total], "load"):
        producer.send(mention)
    producer.flush()
    wait_for(300 + total)
    elapsed = time.perf_counter() - started
    after = cpu_seconds(stages)
    memory = {name: round(p.memory_info().rss / 2**20) for name, p in stages.items()}

    rate = total / elapsed
    pace, half_started = rate / 2, datetime.now(UTC)
    half = texts[total + 300 : total + 300 + min(int(pace * 30), 3_500)]
    start = time.perf_counter()
    for number, mention in enumerate(mentions(half, "half")):
        producer.send(mention)
        ahead = number / pace - (time.perf_counter() - start)
        if ahead > 0.005:
            time.sleep(ahead)
    producer.flush()
    wait_for(300 + total + len(half))
    return {
        "mentions": total,
        "mentions_per_s": round(rate, 1),
        "ratio_to_model_alone": round(rate / alone, 3),
        "core_ms_per_mention": core_ms(before, after, total),
        "rss_mib": memory,
        "half_load_per_s": round(pace, 1),
        "half_load_latency_ms": percentiles(client, half_started),
    }
