"""`babelwatch model use` on a pipeline that runs: two sentiment workers under load, none of them stopped."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clickhouse_driver import Client
from kafka import KafkaProducer

from pipeline.kafka.client import client_options
from pipeline.kafka.serving import read_choice
from pipeline.kafka.topics import MENTIONS
from pipeline.sentiment.folder import HEAD, ModelFolder
from pipeline.settings import Settings
from pipeline.store.client import connect
from schemas.events import Mention, encode
from schemas.ids import mention_id
from tests.integration.worker_process import WorkerProcess, counted, environment_of, wait_until
from tests.model_variant import variant

PACE_S = 0.004
LEAST = 200
"""Mentions sent before the swap and after it, at least."""


class Traffic:
    """Sends mentions at a steady pace from a thread, until it is told to stop."""

    def __init__(self, settings: Settings) -> None:
        self.sent = 0
        self._producer = KafkaProducer(**client_options(settings), acks="all")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            # few texts, so that the model's cache makes this quick; every id is its own
            event = Mention(
                source="t", id=str(self.sent), text=f"text {self.sent % 50}", published_at=datetime.now(UTC)
            )
            ident = mention_id("default", "t", event.id, None, None, "")
            self._producer.send(MENTIONS, key=ident.encode(), value=encode(event))
            self.sent += 1
            time.sleep(PACE_S)
        self._producer.close()

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(60)

    def __exit__(self, *_: object) -> None:
        self.stop()


def babelwatch(settings: Settings, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from pipeline.cli.main import main; main()", *args],
        env=environment_of(settings),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def sample(worker: WorkerProcess, pattern: str) -> float:
    """Sum of the metric's samples that match."""
    text = worker.page("/metrics")[1]
    return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))


def by_model(client: Client) -> dict[str, int]:
    return dict(client.execute("SELECT model, count() FROM mentions FINAL WHERE is_deleted = 0 GROUP BY model"))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_swap_under_load_drops_nothing_and_judges_nothing_twice(
    kafka: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka, clickhouse_url=clickhouse_url, models_dir=tmp_path / "models")
    old = ModelFolder(settings.model_path).version
    folder = variant(settings.models_dir / "sunny", "sunny")
    new = ModelFolder(folder).version
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    sentiment = [WorkerProcess("sentiment", settings, tmp_path / name) for name in ("a", "b")]
    workers = [WorkerProcess(role, settings, tmp_path) for role in ("language", "sink")] + sentiment
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.ready(240)
        wait_until(
            "both share the partitions", lambda: {len(w.page("/status")[1]["partitions"]) for w in sentiment} == {2}, 60
        )
        client = connect(clickhouse_url)
        with Traffic(settings) as traffic:
            wait_until("the stream moves", lambda: by_model(client).get(old, 0) >= LEAST, 120)
            done = babelwatch(settings, "model", "use", "sunny", "--wait", "120")
            assert done.returncode == 0, done.stdout + done.stderr
            assert "2 of 2 sentiment workers serve it" in done.stdout
            chosen_at = traffic.sent
            wait_until("the stream goes on", lambda: by_model(client).get(new, 0) >= LEAST, 120)
            wait_until("some are sent after it", lambda: traffic.sent > chosen_at + LEAST, 60)
            traffic.stop()
            total = traffic.sent
        wait_until("all are stored", lambda: sum(by_model(client).values()) == total, 180, 0.5)

        models = by_model(client)
        assert models.keys() == {old, new}
        assert client.execute("SELECT uniqExact(mention_id), count() FROM mentions FINAL")[0] == (total, total)
        # whatever was sent after the command had ended was judged by the new model
        late = client.execute(
            "SELECT model, count() FROM mentions FINAL WHERE toUInt32(source_id) >= %(n)s GROUP BY model",
            {"n": chosen_at},
        )
        assert dict(late).keys() == {new}
        # each mention was judged once: by the workers' own counts, and by the rows that they left
        assert sum(sample(w, r'babelwatch_messages_out_total\{.*topic="mentions.scored"\}') for w in sentiment) == total
        assert client.execute("SELECT count() FROM judgements")[0][0] == total
        labels = dict(client.execute("SELECT model, groupUniqArray(label) FROM mentions FINAL GROUP BY model"))
        assert labels[new] == ["positive"], "the moved bias is what judged"
        assert labels[old] != ["positive"]
        wait_until("the rollups follow", lambda: counted(client) == total, 60)

        for worker in sentiment:
            status = worker.page("/status")[1]
            assert (status["model"], status["model_state"]) == (new, "serving")
            assert sample(worker, r'babelwatch_model_swaps_total\{outcome="swapped"\}') == 1
            assert sample(worker, r"babelwatch_model_behind") == 0

        # back and forth, and memory is what it was
        for name in (settings.model_path.name, "sunny", settings.model_path.name):
            assert babelwatch(settings, "model", "use", name, "--wait", "120").returncode == 0
        assert all(w.page("/status")[1]["rss_bytes"] < 900 * 2**20 for w in sentiment)

        told = json.loads(babelwatch(settings, "model", "use", "--status", "--json").stdout)
        assert told["chosen"]["model"] == old
        assert {w["report"]["model"] for w in told["workers"]} == {old}
        assert len(told["workers"]) == 2
    finally:
        for worker in workers:
            worker.kill()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.timeout(600)
def test_what_no_worker_can_serve_changes_nothing(
    kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded, models_dir=tmp_path / "models")
    elsewhere = settings.model_copy(update={"models_dir": tmp_path / "other machine"})
    own = ModelFolder(settings.model_path).version
    variant(settings.models_dir / "damaged", "damaged")
    head = settings.models_dir / "damaged" / HEAD
    head.write_bytes(head.read_bytes()[:-1])
    folder = variant(tmp_path / "here" / "moved", "moved")
    with WorkerProcess("sentiment", elsewhere, tmp_path) as worker:
        worker.ready(240)
        bad = babelwatch(settings, "model", "use", "damaged")
        assert bad.returncode == 6, bad.stdout + bad.stderr
        assert "head.safetensors has" in bad.stderr
        assert read_choice(settings, 30) is None, "nothing was chosen"
        assert babelwatch(settings, "model", "use", "nobody").returncode == 6
        assert babelwatch(settings, "model", "use").returncode == 2

        # chosen, and after a restart no longer there: what another machine sees
        chosen = babelwatch(settings, "model", "use", str(folder), "--wait", "120")
        assert chosen.returncode == 0, chosen.stdout + chosen.stderr
        hidden = tmp_path / "hidden"
        folder.rename(hidden)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
        worker.start().ready(240)
        status = worker.page("/status")[1]
        assert (status["model"], status["model_state"]) == (own, "refused")
        code, health = worker.page("/health")
        assert code == 200, "it judges as well as before"
        assert "not on this machine" in health["warnings"][0]
        assert sample(worker, r"babelwatch_model_behind") == 1
        assert "not on this machine" in worker.log()
        shown = babelwatch(settings, "model", "use", "--status")
        assert shown.returncode == 0
        assert "refused" in shown.stdout
        elsewhere.models_dir.mkdir()
        hidden.rename(elsewhere.models_dir / "under another name")
        wait_until("it is taken when it comes", lambda: worker.page("/status")[1]["model_state"] == "serving", 120)
        assert worker.page("/health")[1]["warnings"] == []
        worker.signal(signal.SIGTERM)  # it says that it ends, so that nobody waits for its answer
        assert worker.wait() == 0

    pinned = WorkerProcess(
        "sentiment", elsewhere, tmp_path, environment={"BABELWATCH_MODEL_PATH": str(settings.model_path)}
    )
    with pinned as worker:
        worker.ready(240)
        status = worker.page("/status")[1]
        assert (status["model"], status["model_state"]) == (own, "pinned")
        assert "BABELWATCH_MODEL_PATH is set" in worker.page("/health")[1]["warnings"][0]
        refused = babelwatch(settings, "model", "use", str(elsewhere.models_dir / "under another name"), "--wait", "60")
        assert refused.returncode == 11, refused.stdout + refused.stderr
        assert "0 of 1 sentiment workers serve moved@" in refused.stderr
        assert "pinned" in refused.stdout


@pytest.mark.long
@pytest.mark.embedded
def test_other_weights_under_the_same_version_are_refused(
    kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded, models_dir=tmp_path / "models")
    variant(settings.models_dir / "one", "twin", (0.0, 0.0, 1.0))
    variant(settings.models_dir / "two", "twin", (0.0, 0.0, 2.0))
    first = babelwatch(settings, "model", "use", "one")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "no sentiment worker says that it runs" in first.stdout
    second = babelwatch(settings, "model", "use", "two")
    assert second.returncode == 2, second.stdout + second.stderr
    assert "give the model another name" in second.stderr
    choice = read_choice(settings, 30)
    assert choice is not None
    assert choice.name == "one"
