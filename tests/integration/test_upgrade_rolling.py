"""An upgrade as it is done: workers of an earlier commit beside today's, in the same groups, stopped one by one."""

import json
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.client import client_options
from pipeline.kafka.topics import DEAD, DETECTED, MENTIONS, SCORED
from pipeline.settings import PACKAGE, Settings
from pipeline.store.client import connect
from schemas.ids import mention_id, text_hash
from tests import yesterday
from tests.integration.topic_support import records
from tests.integration.worker_process import WorkerProcess, counted, wait_until

EVERY_S = 0.02


class Stream(threading.Thread):
    """Mentions with a field that nobody knows, and detected ones as a newer language worker than today's writes."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(daemon=True)
        self._producer = KafkaProducer(**client_options(settings), acks="all")
        self.ids: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.enough.wait(EVERY_S):
            now = datetime.now(UTC).isoformat()
            text = f"text {number % 50}"
            mention = {"source": "t", "id": f"{number}", "text": text, "published_at": now}
            ident = mention_id("default", "t", mention["id"], None, None, "")
            if number % 3:
                self._producer.send(MENTIONS, key=ident.encode(), value=dump(mention | {"likes": number}))
            else:
                detected = mention | {
                    **{"type": "mention_detected", "version": 1, "tenant": "default", "mention_id": ident},
                    **{"text_hash": text_hash(text), "received_at": now, "brands": []},
                    "origin": {"incarnation": "newer", "topic": MENTIONS, "partition": 0, "offset": number},
                    "language": {"tag": "en", "confidence": 1.0, "detector": "newer", "second": "de"},
                    "likes": number,
                }
                self._producer.send(DETECTED, key=ident.encode(), value=dump(detected))
            self.ids.append(ident)
            number += 1
        self._producer.flush()
        self._producer.close()

    def more(self, count: int) -> None:
        """Return when so many more are sent."""
        until = len(self.ids) + count
        wait_until("the stream flows", lambda: len(self.ids) >= until, 60, 0.05)


def dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode()


def kept(event: dict[str, Any]) -> bool:
    """Whether what nobody knows is still in a scored mention."""
    if event["origin"]["incarnation"] == "newer":
        return "likes" in event and event["language"].get("second") == "de"
    return "likes" in event.get("source_fields", {})


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(240)
def test_old_workers_beside_new_ones_then_only_new_ones(
    kafka: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    old_code = yesterday.extract(tmp_path / "yesterday", "agents", "pipeline", "schemas")
    fast = PACKAGE / "sentiment" / "models" / "fast"
    settings = make_settings(kafka_brokers=kafka, clickhouse_url=clickhouse_url, model_path=fast)
    ensure_topics(settings)

    def worker(role: str, age: str) -> WorkerProcess:
        folder = tmp_path / age
        folder.mkdir(exist_ok=True)
        code = {"PYTHONPATH": str(old_code)} if age == "old" else {}
        return WorkerProcess(role, settings, folder, environment=code).start()

    workers = {(role, "old"): worker(role, "old") for role in ("language", "sentiment", "sink")}
    stream = Stream(settings)
    try:
        for one in workers.values():
            one.ready()
        stream.start()
        client = connect(clickhouse_url)
        began = time.monotonic()
        roles = ("sink", "sentiment", "language")
        workers |= {(role, "new"): worker(role, "new") for role in roles}
        for role in roles:
            workers[role, "new"].ready()
        stream.more(50)
        # Readers before writers: the sink first, then sentiment, then language (docs/upgrade.md).
        for role in roles:
            # both have partitions and both work: a group that only waits for one of them would prove nothing
            for age in ("old", "new"):
                assert workers[role, age].healthy(), workers[role, age].log()
            workers[role, "old"].signal(signal.SIGTERM)
            assert workers[role, "old"].wait(20) == 0, workers[role, "old"].log()
            stream.more(50)
        only_new = len(stream.ids)
        stream.more(100)
        stream.enough.set()
        stream.join(30)
        total = len(stream.ids)
        wait_until("all are counted", lambda: counted(client) == total, 60, 0.5)
        print(f"{total} mentions, {time.monotonic() - began:.0f} s of upgrade")
        stored = client.execute("SELECT lower(replaceAll(toString(mention_id), '-', '')) FROM mentions FINAL")
        assert sorted(row[0] for row in stored) == sorted(stream.ids), "each once"
        assert records(settings, DEAD) == []
        events = [json.loads(value) for _, value in records(settings, SCORED)]
        place = {ident: number for number, ident in enumerate(stream.ids)}
        lost = [place[e["mention_id"]] for e in events if not kept(e)]
        held = [place[e["mention_id"]] for e in events if kept(e)]
        assert lost, "the old workers did none: the test proves nothing"
        assert min(held) < only_new, "the new ones did none beside the old ones"
        assert max(lost) < only_new, "a field was lost although only new workers were left"
        assert {place[e["mention_id"]] for e in events} == set(range(total))
    finally:
        stream.enough.set()
        for one in workers.values():
            one.kill()
