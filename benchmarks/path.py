"""The path without the model, on both brokers: mentions/s, core-milliseconds per mention and stage, latency.

**A stub stands in for the model** (label by hash, in ``tests/rig.py``), so this says what delivery costs and
nothing about sentiment. Everything is on this machine: broker, ClickHouse, one worker of each role, the producer.
Bound of the project: 1,500 mentions/s on two cores.

Two rates: of a *burst*, everything at once, in which the first stage has ended long before the last; and the
*sustainable throughput*, the greatest steady load under which the backlog does not grow (Karimov et al., "Benchmarking
Distributed Stream Data Processing Systems", ICDE 2018), which is what a stream gets.
"""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from typing import Any, Final

from benchmarks.end_to_end import distinct_texts, percentiles
from schemas.events import Mention
from tests.chaos.tools import NotHere
from tests.rig import BROKERS, Rig, Source, core_ms, encoded, rig

WARM: Final = 2_000
STEADY_S: Final = 20.0
"""Each load is kept for so long, and then for as long again."""
GROWTH_S: Final = 1.0
"""A load is kept up with when in the second time the backlog grows by no more than the messages of one second, which is
within what one batch of the sink makes of it."""
STEPS: Final = range(80, 200, 5)
"""Loads that are tried, in percent of the burst's rate, until one is too much."""


def records(texts: Sequence[str], run: str) -> list[tuple[bytes, bytes]]:
    """One distinct mention per text, published now."""
    now = datetime.now(UTC)
    return [
        encoded(Mention(source="bench", id=f"{run}-{n}", text=text, published_at=now)) for n, text in enumerate(texts)
    ]


def burst(bench: Rig, source: Source, texts: Sequence[str], run: str, *, skewed: bool = False) -> dict[str, Any]:
    """Everything at once: how many are stored per second, from the first that is sent to the last that is visible.

    ``skewed``: every second record has the same key.
    """
    made = records(texts, run)
    if skewed:
        made = [(made[0][0] if n % 2 else key, value) for n, (key, value) in enumerate(made)]
    known = bench.stored()
    before, began = bench.core_s(), time.monotonic()
    source.send(made)
    elapsed = bench.wait_for(known + len(texts)) - began
    after = bench.core_s()
    return {"mentions": len(texts), **speed(before, after, len(texts), elapsed)}


def speed(before: Mapping[str, float], after: Mapping[str, float], count: int, elapsed: float) -> dict[str, Any]:
    """What ``count`` mentions took, in seconds and in core-seconds by process."""
    each = core_ms(before, after, count)
    return {
        "mentions_per_s": round(count / elapsed, 1),
        "core_ms_per_mention": each | {"all": round(sum(each.values()), 3)},
    }


def warmed_up(bench: Rig, source: Source, texts: Sequence[str]) -> Sequence[str]:
    """Send the first WARM of the texts, wait until they are stored, and return the others."""
    source.send(records(texts[:WARM], "warm"))
    bench.wait_for(WARM)
    return texts[WARM:]


def half_load(bench: Rig, source: Source, texts: Sequence[str], per_s: float, run: str) -> dict[str, Any]:
    """Latency from the broker's stamp to the row in ClickHouse while ``per_s`` come steadily."""
    known, since = bench.stored(), datetime.now(UTC) - timedelta(milliseconds=1)
    source.pace(records(texts, run), per_s)
    bench.wait_for(known + len(texts))
    return {"per_s": round(per_s, 1), "latency_ms": percentiles(bench.client, since)}


def sustainable(bench: Rig, source: Source, texts: Sequence[str], burst_per_s: float) -> dict[str, Any]:
    """The greatest load that is kept up with, and what a mention costs and how long it takes then."""
    kept: dict[str, Any] = {"mentions_per_s": 0}
    for percent in STEPS:
        per_s = burst_per_s * percent / 100
        known, since = bench.stored(), datetime.now(UTC) - timedelta(milliseconds=1)
        made = records(list(islice(cycle(texts), int(per_s * STEADY_S) * 2)), f"steady{percent}")
        before, began = bench.core_s(), time.monotonic()
        source.pace(made[: len(made) // 2], per_s)
        halfway = known + len(made) // 2 - bench.stored()
        source.pace(made[len(made) // 2 :], per_s)
        sent_s = time.monotonic() - began
        waiting = known + len(made) - bench.stored()
        bench.wait_for(known + len(made))
        after = bench.core_s()
        if waiting - halfway > per_s * GROWTH_S:
            break
        kept = speed(before, after, len(made), sent_s) | {
            "not_visible_at_the_end": waiting,
            "latency_ms": percentiles(bench.client, since),
        }
    return kept


def measure(broker: str, total: int, rounds: int) -> dict[str, Any]:
    """The figures on one broker."""
    texts = distinct_texts(WARM + total)
    with rig(broker, stub=True) as bench:
        source = Source(bench.settings)
        fresh = warmed_up(bench, source, texts)
        found = sorted(
            (burst(bench, source, fresh, f"load{n}") for n in range(rounds)), key=lambda one: one["mentions_per_s"]
        )
        middle = found[len(found) // 2]
        pace = middle["mentions_per_s"] / 2
        paced = list(islice(cycle(fresh), int(pace * 20)))
        figures = middle | {
            "all_bursts": [one["mentions_per_s"] for one in found],
            "half_load": half_load(bench, source, paced, pace, "half"),
            "sustainable": sustainable(bench, source, fresh, middle["mentions_per_s"]),
        }
        source.close()
    return figures


def run(quick: bool) -> dict[str, Any]:
    """See the module; ``quick`` sends 5,000 in place of five times 30,000."""
    figures: dict[str, Any] = {"model": "none: a stub (label by hash)"}
    for broker in BROKERS:
        try:
            figures[broker] = measure(broker, *((5_000, 1) if quick else (30_000, 5)))
        except NotHere as reason:
            figures[broker] = {"skipped": str(reason)}
    return figures
