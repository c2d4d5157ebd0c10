"""A worker that runs and does nothing, under a real `up`: named and replaced; one that only waits is left alone."""

import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.embedded.files import Run
from pipeline.embedded.processes import identity
from tests.freezing import freeze, frozen
from tests.integration.test_stack import Up, send, stored, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.embedded]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Up]:
    one = Up(tmp_path / "data").ready()
    yield one
    if one.process.poll() is None:
        one.process.kill()
        one.process.wait()


def replaced(one: Up, role: str, before: int) -> Callable[[], bool]:
    def look() -> bool:
        run = Run.read(one.folder)
        return run is not None and run.processes[role] != before and bool(identity(run.processes[role]))

    return look


def test_a_frozen_worker_is_replaced_and_a_waiting_one_is_not(running: Up) -> None:
    send(running.settings, 20)
    until("the first are stored", lambda: stored(running.settings) == 20, 60)

    # ClickHouse hangs: the sink waits, is ill, and is left alone
    before = running.run.processes
    with frozen(before["clickhouse"]):
        send(running.settings, 40)
        began = time.monotonic()
        until("it waits longer than a watchdog would", lambda: time.monotonic() - began > 45, 60)
    until("the others are stored", lambda: stored(running.settings) == 40, 60)
    assert {role: worker.restarts for role, worker in running.run.workers.items()} == dict.fromkeys(
        running.run.workers, 0
    )

    # frozen
    sink = running.run.processes["sink"]
    freeze(sink)
    began = time.monotonic()
    until("it is named and replaced", replaced(running, "sink", sink), 45)
    assert running.run.workers["sink"].ended.startswith("was wedged: its pages have not answered")
    assert "sink was started again (it ended: was wedged" in running.said
    with urllib.request.urlopen(running.run.metrics_url, timeout=5) as answer:  # noqa: S310 - our own
        assert b'babelwatch_child_wedged_total{process="sink"} 1.0' in answer.read()
    send(running.settings, 60)
    until("it works", lambda: stored(running.settings) == 60, 90)
