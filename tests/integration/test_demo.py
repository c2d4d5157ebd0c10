"""The demo as a user runs it: every mention accounted for, a clean stop, and a second run that carries on."""

import json
import os
import signal
import socket
import time
from pathlib import Path

import httpx
import psutil
import pytest

from tests.integration.demo_process import demo

KEYS = {"sent", "stored", "repeats", "dead", "by_stage", "by_language", "latency_ms"}
pytestmark = [pytest.mark.embedded, pytest.mark.slow]


def gone(processes: list[psutil.Process], timeout_s: float = 10.0) -> list[psutil.Process]:
    """Those that are still there when the time is over."""
    return psutil.wait_procs(processes, timeout=timeout_s)[1]


@pytest.mark.timeout(240)
def test_a_run_of_some_seconds_accounts_for_every_message_and_a_second_carries_on(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "demo.json"
    with demo(data, "--for", "20", "--report", str(file), "--no-incident") as first:
        first.address()
        children = first.children()
        assert first.wait(150) == 0, first.text()
    assert not gone(children)
    report = json.loads(file.read_text(encoding="utf-8"))
    assert set(report) >= KEYS
    assert report["sent"] == report["stored"] + report["repeats"] + report["dead"]
    assert report["missing"] == 0
    assert not report["undrained"]
    kinds = report["kinds"]
    assert report["dead"] == kinds["poison"] > 0
    assert report["repeats"] == kinds["repeat"] + kinds["edit"] + kinds["deletion"]
    assert min(kinds["repeat"], kinds["edit"], kinds["deletion"]) > 0
    assert report["stored"] == kinds["mention"] > 100
    # stages: everything went through, the dead letters left at the first
    stages = report["by_stage"]
    assert set(stages) == {"language", "sentiment", "sink"}
    assert stages["language"]["in"] >= report["sent"]
    assert stages["language"]["dead"] == report["dead"]
    assert stages["sentiment"]["in"] >= report["sent"] - report["dead"]
    # languages: the table holds what is stored and not deleted
    assert sum(row["mentions"] for row in report["by_language"].values()) == report["stored"] - kinds["deletion"]
    assert len(report["by_language"]) >= 20
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"] <= report["latency_ms"]["p99"]

    with demo(data, "--for", "5", "--report", str(file), "--no-incident") as second:
        base, token = second.address()
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=20) as api:
            deadline = time.monotonic() + 30
            seen = 0
            while seen < report["stored"] - kinds["deletion"] and time.monotonic() < deadline:
                answer = api.get("/api/v1/summary", params={"window_s": 3600})
                seen = answer.json()["mood"]["mentions"] if answer.status_code == 200 else 0
                time.sleep(0.25)
            assert seen >= report["stored"] - kinds["deletion"], "the first run's mentions are not on the page"
        assert second.wait(120) == 0, second.text()
    again = json.loads(file.read_text(encoding="utf-8"))
    assert again["run"] != report["run"]
    assert again["sent"] == again["stored"] + again["repeats"] + again["dead"] < report["sent"]


@pytest.mark.timeout(150)
def test_ctrl_c_drains_and_leaves_nothing_behind(tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "demo.json"
    with demo(data, "--report", str(file)) as running:
        base, token = running.address()
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=20) as api:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                answer = api.get("/api/v1/summary", params={"window_s": 900})
                if answer.status_code == 200 and answer.json()["mood"]["mentions"] > 50:
                    break
                time.sleep(0.25)
            else:
                pytest.fail(f"no mentions on the page:\n{running.text()}")
        children = running.children()
        assert len(children) >= 5
        os.kill(running.process.pid, signal.SIGINT)
        assert running.wait(30) == 0, running.text()
        assert not gone(children)
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["sent"] == report["stored"] + report["repeats"] + report["dead"] > 50
    host, _, port = base.removeprefix("http://").partition(":")
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((host, int(port)))


def test_fresh_refuses_a_server_that_it_did_not_start(tmp_path: Path) -> None:
    url = "clickhouse://somebody:secret-word@127.0.0.1:1/production"
    with demo(tmp_path / "data", "--fresh", env={"CLICKHOUSE_URL": url}) as refused:
        assert refused.wait(30) == 2
        assert "--fresh" in refused.text()
        assert "secret-word" not in refused.text()


def test_a_report_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    with demo(tmp_path / "data", "--report", str(tmp_path / "no" / "demo.json")) as refused:
        assert refused.wait(30) == 2
        assert "does not exist" in refused.text()
    assert not (tmp_path / "data").exists()


@pytest.mark.long
@pytest.mark.timeout(150)
def test_a_broker_that_dies_ends_the_demo_with_a_word_about_what_is_lost(tmp_path: Path) -> None:
    with demo(tmp_path / "data") as running:
        running.address()
        children = running.children()
        broker = [child for child in children if "--listener-url" in child.cmdline()]
        assert len(broker) == 1
        broker[0].kill()
        assert running.wait(60) == 5, running.text()
        assert "the embedded broker ended by itself" in running.text()
        assert "Traceback" not in running.text()
        assert not gone(children)
