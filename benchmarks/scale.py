"""How throughput grows with workers and partitions, what members that come and go cost, and what skewed keys do.

The path with a stub in place of the model. On one machine all workers share its cores: what shows is where one more
stops helping, what each stage costs per mention, and that a change of members loses and doubles nothing. Keys are
``even`` (as the pipeline's own: one per mention) or ``skewed`` (half of all mentions have one key, so one partition).
"""

import time
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.end_to_end import distinct_texts
from benchmarks.path import WARM, burst, records, warmed_up
from tests.chaos.tools import NotHere
from tests.rig import BROKERS, Rig, Source, rig

GRID: Final = ((4, 1), (4, 2), (4, 4), (8, 1), (8, 2), (16, 2), (32, 1), (32, 2), (32, 4))
"""(partitions, workers of each role)."""


def run(quick: bool) -> dict[str, Any]:
    """See the module; ``quick`` takes three rows of the table and fewer mentions."""
    total = 3_000 if quick else 15_000
    texts = distinct_texts(WARM + total)
    for broker in BROKERS:
        try:
            return {"model": "none: a stub (label by hash)", "broker": broker, **_all(broker, texts, quick)}
        except NotHere:
            continue
    raise NotHere("no broker runs here")


def _all(broker: str, texts: Sequence[str], quick: bool) -> dict[str, Any]:
    grid = GRID[:1] + GRID[-2:] if quick else GRID
    figures: dict[str, Any] = {}
    for partitions, workers in grid:
        with rig(broker, stub=True, workers=workers, partitions=partitions) as bench:
            figures[f"{partitions} partitions, {workers} of each role"] = _one(bench, texts)
    with rig(broker, stub=True, workers=2, partitions=4) as bench:
        figures["4 partitions, 2 of each role, skewed keys"] = _one(bench, texts, skewed=True)
    with rig(broker, stub=True, workers=4, partitions=8, begin_with=1) as bench:
        figures["joining and leaving under load, 8 partitions"] = _joining(bench, texts)
    return figures


def _one(bench: Rig, texts: Sequence[str], *, skewed: bool = False) -> dict[str, Any]:
    source = Source(bench.settings)
    found = burst(bench, source, warmed_up(bench, source, texts), "load", skewed=skewed)
    source.close()
    cost = found["core_ms_per_mention"]
    by_role = {
        role: round(sum(ms for name, ms in cost.items() if name.startswith(role)), 3)
        for role in ("language", "sentiment", "sink", "broker", "ClickHouse")
    }
    return {"mentions_per_s": found["mentions_per_s"], "core_ms_per_mention": by_role | {"all": cost["all"]}}


def _joining(bench: Rig, texts: Sequence[str]) -> dict[str, Any]:
    """A backlog, worked off by one worker of each role, then two, four and one: how long, and are all counted once."""
    source = Source(bench.settings)
    texts = warmed_up(bench, source, texts)
    sent = WARM
    figures: dict[str, Any] = {}
    for step, members in enumerate((1, 2, 4, 2, 1)):
        there = set(bench.fleet.running())
        wanted = {name for name in bench.fleet.children if int(name.rpartition("-")[2]) <= members}
        source.send(records(texts, f"step{step}"))
        sent += len(texts)
        began = time.monotonic()
        bench.fleet.start(sorted(wanted - there))
        bench.fleet.leave(sorted(there - wanted))
        changed = time.monotonic() - began
        bench.wait_for(sent)
        figures[f"{step + 1}: {members} of each role"] = {
            "members_changed_s": round(changed, 1),
            "mentions_per_s": round(len(texts) / (time.monotonic() - began), 1),
        }
    time.sleep(3)
    rows, distinct = bench.client.execute("SELECT count(), uniqExact(mention_id) FROM mentions FINAL")[0]
    counted = bench.client.execute("SELECT sum(mentions) FROM rollup_minute FINAL WHERE brand = ''")[0][0]
    source.close()
    return figures | {"lost": sent - distinct, "doubled": rows - distinct, "counted_too_many": counted - sent}
