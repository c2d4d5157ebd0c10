"""The whole path under fire: 5,000 mentions, every worker killed once, every count exact.

Through the real workers, on the embedded broker and on Apache Kafka, into a real ClickHouse; then the counts are
compared with what the workload alone says, in ClickHouse (mentions and every rollup) and on the page's API.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_driver import Client

from pipeline.kafka.admin import read_incarnation
from pipeline.kafka.offsets import end_offsets
from pipeline.kafka.topics import MENTIONS
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from pipeline.stack import Stack
from pipeline.store.accounting import stored_ids
from pipeline.store.client import connect
from pipeline.store.deadletters import DeadLetterStore
from schemas.events import LABELS
from tests.e2e.workload import BRANDS_YAML, Workload, build

TOTAL = 5_000
ROLES = ("language", "sentiment", "sink")


def wait_until(what: str, condition: Callable[[], bool], timeout_s: float, every_s: float = 0.5) -> None:
    """Poll until ``condition`` holds; fail with ``what`` when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(every_s)


def stored(client: Client) -> int:
    """Distinct ids in the table, whatever their state."""
    return int(client.execute("SELECT uniqExact(mention_id) FROM mentions FINAL")[0][0])


def assert_truth(client: Client, load: Workload) -> None:
    """Mentions in ClickHouse are exactly those that the workload says."""
    rows = client.execute(
        "SELECT lower(hex(mention_id)) AS id, published_at, brands, text FROM mentions FINAL WHERE is_deleted = 0"
    )
    got = {row[0]: (row[1].replace(tzinfo=UTC), frozenset(row[2]), row[3]) for row in rows}
    assert len(rows) == len(got), "an id is alive in two places"
    assert got.keys() == load.alive.keys()
    wrong = {k: (got[k], load.alive[k]) for k in got if got[k] != load.alive[k]}
    assert not wrong, dict(list(wrong.items())[:3])


def assert_rollups(client: Client, load: Workload) -> None:
    """Every rollup equals a recount from the workload; labels sum to distinct ids."""
    alive = len(load.alive)
    for table, slot in (("rollup_recent", "slot"), ("rollup_minute", "minute"), ("rollup_hour", "hour")):
        totals = dict(client.execute(f"SELECT brand, sum(mentions) FROM {table} FINAL GROUP BY brand"))
        assert totals.pop("") == alive, table
        assert Counter({b: n for b, n in totals.items() if n}) == load.by_brand(), table
        minute = "toStartOfHour" if table == "rollup_hour" else "toStartOfMinute"
        by_slot = dict(
            client.execute(
                f"SELECT {minute}(toDateTime({slot}, 'UTC')) AS t, sum(mentions) AS n FROM {table} FINAL "
                "WHERE brand = '' GROUP BY t HAVING n > 0"
            )
        )
        expected: Counter[datetime] = Counter()
        for when, count in load.by_minute().items():
            expected[when.replace(minute=0) if table == "rollup_hour" else when] += count
        assert {t.replace(tzinfo=UTC): n for t, n in by_slot.items()} == expected, table
        # ... and by label equals a recount of the truth
        by_label = dict(
            client.execute(
                f"SELECT label, sum(mentions) AS n FROM {table} FINAL WHERE brand = '' GROUP BY label HAVING n > 0"
            )
        )
        recount = dict(client.execute("SELECT label, count() FROM mentions FINAL WHERE is_deleted = 0 GROUP BY label"))
        assert by_label == recount, table


def assert_api(url: str, token: str, load: Workload) -> None:
    """The page's API says the same numbers."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20) as api:

        def get(path: str, **params: str | int) -> Any:
            return api.get(f"/api/v1/{path}", params={"window_s": 3600, **params}).raise_for_status().json()

        mood = get("summary")["mood"]
        assert mood["mentions"] == len(load.alive)
        assert mood["negative"] + mood["neutral"] + mood["positive"] == len(load.alive)
        assert {row["brand"]: row["mentions"] for row in get("brands")["brands"]} == dict(load.by_brand())
        assert sum(row["mentions"] for row in get("languages")["languages"]) == len(load.alive)
        (line,) = get("series", by="total")["series"]
        assert sum(sum(line[label]) for label in (*LABELS, "unsure")) == len(load.alive)
        assert get("summary")["dead_letters"]["total"] == load.poison


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(420)
def test_every_count_is_exact_after_every_worker_was_killed(
    kafka: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    brands = tmp_path / "brands.yaml"
    brands.write_text(BRANDS_YAML, encoding="utf-8")
    settings = make_settings(
        kafka_brokers=kafka, clickhouse_url=clickhouse_url, brands_file=brands, data_dir=tmp_path / "data"
    )
    load = build(TOTAL, seed=20261123, now=datetime.now(UTC))
    stack = Stack(settings)
    stack.start()
    try:
        client = connect(clickhouse_url)
        producer = MentionProducer(stack.settings)
        # one SIGKILL per worker, each in the middle of the stream
        kill_at = dict(zip((TOTAL // 5, TOTAL // 2, TOTAL * 4 // 5), ROLES, strict=True))
        for number, (_, message) in enumerate(load.messages):
            producer.send(message)
            if number in kill_at:
                producer.flush()
                wait_until("the stream has begun to arrive", lambda: stored(client) > 0, 120)
                pid = stack.workers[kill_at[number]].pid
                os.kill(pid, signal.SIGKILL)
        producer.flush()
        assert sum(end_offsets(stack.settings, MENTIONS).values()) == TOTAL

        dead = DeadLetterStore(client)
        incarnation = read_incarnation(stack.settings)
        wait_until(
            "every message is accounted for",
            lambda: (
                stored_ids(client, incarnation) == len(load.ids) and dead.count(incarnation=incarnation) == load.poison
            ),
            240,
        )
        undrained = stack.drain(60)
        assert not any(undrained.values()), undrained
        assert stored_ids(client, incarnation) + load.repeats + dead.count(incarnation=incarnation) == TOTAL
        assert_truth(client, load)
        assert_rollups(client, load)
        assert stack.settings.api_token is not None
        assert_api(stack.dashboard_url.split("?")[0], stack.settings.api_token.get_secret_value(), load)
    finally:
        stack.stop()
