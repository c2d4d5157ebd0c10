"""A worker of a real stack that hangs, or ends again and again: named in time, replaced, and nothing is lost."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.dashboard.pipeline_watch import PipelineWatch
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.embedded.files import Run
from pipeline.embedded.watchdog import WedgePolicy
from pipeline.settings import load_settings
from pipeline.sources.producer import MentionProducer
from pipeline.stack import ROLES, Stack
from pipeline.store.client import connect
from schemas.events import Mention
from tests.freezing import freeze, frozen
from tests.integration.worker_process import counted

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(300)]

NAMED_S = 30.0
"""The promise."""
BLOCK = """
import signal, time
signal.signal(signal.SIGRTMIN, lambda *_: time.sleep(3600))
"""
"""In every process of the stack: a signal that blocks the main thread, where the event loop runs."""


def until(what: str, condition: Callable[[], bool], timeout_s: float = 90.0) -> float:
    """Wait for ``condition``; return how long it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - began


class Running:
    """A stack with what an operator sees of it."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sent = 0
        self.client = connect(stack.settings.require_clickhouse())

    @property
    def run(self) -> Run:
        run = Run.read(self.stack.settings.data_dir)
        assert run is not None
        return run

    def page(self, url: str) -> str:
        """A page, with the token."""
        token = self.stack.settings.api_token
        assert token is not None
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token.get_secret_value()}"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - ours
            text: str = answer.read().decode()
        return text

    def view(self) -> dict[str, Any]:
        """The operator's view."""
        found: dict[str, Any] = json.loads(self.page(f"{self.run.dashboard_url}/api/v1/pipeline"))
        return found

    def named(self, *words: str) -> bool:
        """Whether the operator's view has a problem in which all these words stand."""
        return any(all(word in problem for word in words) for problem in self.view()["problems"])

    def metric(self, url: str, line: str) -> bool:
        """Whether a page of metrics has this line."""
        return line in self.page(url).splitlines()

    def send(self, count: int) -> None:
        """Mentions into the stream, each another one."""
        with MentionProducer(self.stack.settings) as producer:
            for number in range(self.sent, self.sent + count):
                text = f"I love it, {number}"
                producer.send(Mention(source="t", id=f"m{number}", text=text, published_at=datetime.now(UTC)))
            producer.flush()
        self.sent += count

    def all_counted(self) -> None:
        """Every mention is stored and counted once."""
        sql = "SELECT uniqExact(mention_id) FROM mentions FINAL"
        until("all are stored", lambda: int(self.client.execute(sql)[0][0]) == self.sent)
        until("all are counted", lambda: counted(self.client) == self.sent, 30)

    def well(self) -> bool:
        """Whether the operator's view is calm."""
        return bool(self.view()["state"] == "well")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One stack as `babelwatch up` starts it, for the tests of this module, which leave it well."""
    folder = tmp_path_factory.mktemp("stuck")
    (folder / "sitecustomize.py").write_text(BLOCK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}:{os.environ.get('PYTHONPATH', '')}")
        with Stack(load_settings(data_dir=folder / "data", dashboard_port=0)) as stack:
            yield Running(stack)


def test_the_view_of_a_stack_that_is_well(running: Running) -> None:
    running.send(50)
    running.all_counted()
    until("it is calm", running.well, 30)
    view = running.view()
    assert view["headline"].startswith("pipeline: well, 3 workers, lag ")
    assert [worker["role"] for worker in view["workers"]] == list(ROLES)
    assert all(worker["rss_bytes"] > 2**20 for worker in view["workers"])
    assert {topic["topic"]: len(topic["partitions"]) for topic in view["topics"]} == {
        "mentions": 4,
        "mentions.detected": 4,
        "mentions.scored": 4,
        "mentions.dead": 4,
    }
    assert view["dead_letters"] == 0
    text = json.dumps(view)
    assert running.run.api_token not in text
    assert running.run.clickhouse_url not in text
    dashboard = f"{running.run.dashboard_url}/metrics"
    assert running.metric(dashboard, "babelwatch_pipeline_problems 0.0")
    assert running.metric(dashboard, 'babelwatch_worker_well{role="sink"} 1.0')
    assert running.metric(running.run.metrics_url, 'babelwatch_child_well{process="sentiment"} 1.0')


def test_a_frozen_worker_is_named_and_replaced_and_nothing_is_lost(running: Running) -> None:
    before = running.run.workers["sentiment"]
    running.send(100)
    freeze(before.pid)
    running.send(200)
    took = until("the view names it", lambda: running.named("worker sentiment", "not answer"), NAMED_S)
    url = running.run.metrics_url
    line = 'babelwatch_child_well{process="sentiment"} 0.0'
    took += until("metrics name it", lambda: running.metric(url, line), NAMED_S - took)
    assert took < NAMED_S
    until("another one runs", lambda: running.run.workers["sentiment"].restarts == before.restarts + 1)
    after = running.run.workers["sentiment"]
    assert after.pid != before.pid
    assert after.ended.startswith("wedged: its pages do not answer")
    assert running.metric(url, 'babelwatch_child_wedged_total{process="sentiment",what="silent"} 1.0')
    running.send(100)
    running.all_counted()
    until("it is calm again", running.well, 60)
    assert any("sentiment was started again" in notice for notice in running.view()["notices"])


@pytest.mark.long
def test_a_worker_whose_event_loop_is_blocked(running: Running) -> None:
    before = running.run.workers["sink"]
    running.send(100)
    os.kill(before.pid, signal.SIGRTMIN)
    running.send(100)
    until("the view names it", lambda: running.named("worker sink", "event loop: blocked"), NAMED_S)
    until("another one runs", lambda: running.run.workers["sink"].restarts == before.restarts + 1)
    assert running.run.workers["sink"].ended.startswith("wedged: event loop: blocked for")
    log = (running.stack.settings.data_dir / "logs" / "sink.log").read_text()
    assert "the event loop is blocked; where each thread is" in log
    assert "sitecustomize.py" in log, "the log says where it hung"
    running.all_counted()
    until("it is calm again", running.well, 60)


def test_a_crash_loop_is_named(running: Running) -> None:
    """The last test of the module: its name stays for five minutes."""
    known: set[int] = set()
    running.send(100)
    while len(known) < 3:
        until("it runs", lambda: (w := running.run.workers["language"]).state == "running" and w.pid not in known)
        pid = running.run.workers["language"].pid
        known.add(pid)
        os.kill(pid, signal.SIGKILL)
    took = until("the view names it", lambda: running.named("worker language", "crash-looping", "SIGKILL"), NAMED_S)
    url = running.run.metrics_url
    own = 'babelwatch_child_crash_looping{process="language"} 1.0'
    until("metrics name it", lambda: running.metric(url, own), NAMED_S - took)
    dashboard = f"{running.run.dashboard_url}/metrics"
    until(
        "and the dashboard's", lambda: running.metric(dashboard, 'babelwatch_worker_crash_looping{role="language"} 1.0')
    )
    assert running.run.workers["language"].crash_looping
    running.all_counted()
    assert running.run.workers["language"].restarts == 3, "it goes on being started"


@pytest.mark.slow
@pytest.mark.long
def test_clickhouse_away_is_no_reason_to_start_a_worker_again(tmp_path: Path) -> None:
    """Away (it hangs), and there but taking nothing (a table is gone), each for longer than the shortened patience."""
    hasty = WedgePolicy(named_s=1, patience_s={"start": 300}, other_s=3)
    with EmbeddedClickHouse(tmp_path / "clickhouse") as clickhouse:
        settings = load_settings(data_dir=tmp_path / "data", dashboard_port=0, clickhouse_url=clickhouse.url)
        with Stack(settings, wedged=hasty) as stack:
            running = Running(stack)
            running.send(50)
            running.all_counted()
            with frozen(clickhouse.pid):
                running.send(100)
                until("the view names the service", lambda: running.named("clickhouse: "), NAMED_S)
                until("the sink stands still", lambda: running.named("worker sink", "nothing was committed"), NAMED_S)
                time.sleep(8)
            running.all_counted()
            running.client.execute("RENAME TABLE mentions TO mentions_away")
            try:
                running.send(100)
                wanted = ("worker sink", "nothing was committed", "waits for ClickHouse")
                until("the view says what it waits for", lambda: running.named(*wanted), NAMED_S)
                time.sleep(8)
            finally:
                running.client.execute("RENAME TABLE mentions_away TO mentions")
            running.all_counted()
            assert {role: worker.restarts for role, worker in running.run.workers.items()} == dict.fromkeys(ROLES, 0)
            # Elsewhere: a dashboard on a machine without the stack sees what Kafka and ClickHouse tell.
            far = PipelineWatch(stack.settings.model_copy(update={"data_dir": tmp_path / "elsewhere"}), every_s=0.5)
            far.start()
            try:
                well = "pipeline: well, workers elsewhere, lag 0"
                until("it has looked", lambda: far.view().headline == well, 20)
                assert not far.view().workers_visible
                assert "not visible from here" in far.view().workers_note
                with frozen(running.run.workers["language"].pid):
                    stack._supervisor.stop()
                    running.send(20)
                    said = "language: 20 messages wait in mentions"
                    until("it says who stands still", lambda: any(said in p for p in far.view().problems), NAMED_S)
            finally:
                far.stop()
