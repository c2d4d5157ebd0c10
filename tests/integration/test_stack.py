"""`babelwatch up` as a user meets it: as a process, with its signals, folders, ports, commands and failures."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline.embedded.files import Run
from pipeline.embedded.ports import LOOPBACK, free_port
from pipeline.embedded.processes import identity
from pipeline.errors import ClickHouseUnavailable
from pipeline.local import discover
from pipeline.settings import Settings, load_settings
from pipeline.sources.producer import MentionProducer
from pipeline.store.client import clear_errors, connect
from schemas.events import Mention
from tests.freezing import freeze

pytestmark = [pytest.mark.embedded, pytest.mark.timeout(240)]

BABELWATCH = [sys.executable, "-m", "pipeline.cli"]
ROLES = {"language", "sentiment", "sink"}


def until(what: str, condition: Callable[[], bool], timeout_s: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.05)


class Up:
    """``babelwatch up`` on ``folder``, its output in a file."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.output = folder.parent / f"up.{time.monotonic_ns()}.txt"
        self.environment = {**os.environ, "BABELWATCH_DATA_DIR": str(folder), "BABELWATCH_DASHBOARD_PORT": "0"}
        self.environment |= environment
        with self.output.open("wb") as out:
            self.process = subprocess.Popen([*BABELWATCH, "up"], env=self.environment, stdout=out, stderr=out)

    @property
    def said(self) -> str:
        return self.output.read_text()

    def ready(self) -> "Up":
        def is_ready() -> bool:
            assert self.process.poll() is None, self.said
            return "Dashboard: " in self.said

        until("up is ready", is_ready, 180)
        return self

    @property
    def run(self) -> Run:
        run = Run.read(self.folder)
        assert run is not None
        return run

    @property
    def settings(self) -> Settings:
        return discover(load_settings(data_dir=self.folder))

    def babelwatch(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Another command on the same folder."""
        return subprocess.run(
            [*BABELWATCH, *arguments], env=self.environment, capture_output=True, text=True, check=False, timeout=60
        )

    def signal_and_wait(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Return a function that starts `up`; what it started is killed at the end, should it still run."""
    started: list[Up] = []

    def start(folder: Path | None = None, **environment: str) -> Up:
        started.append(Up(folder or tmp_path / "data", **environment))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def run_up(folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run `up` that is expected to fail."""
    variables = {**os.environ, "BABELWATCH_DATA_DIR": str(folder), "BABELWATCH_DASHBOARD_PORT": "0", **environment}
    return subprocess.run([*BABELWATCH, "up"], env=variables, capture_output=True, text=True, check=False, timeout=120)


def assert_nothing_left(folder: Path, pids: dict[str, int]) -> None:
    """No process, port or lock."""
    until("all processes have ended", lambda: not any(identity(pid) for pid in pids.values()), 30)
    assert not (folder / "lock").exists()
    assert not (folder / "run.json").exists()
    mine = str(folder)
    left = [p for p in psutil.process_iter(["cmdline", "environ"]) if mine in " ".join(p.info["cmdline"] or ())]
    assert not left


def send(settings: Settings, count: int) -> None:
    with MentionProducer(settings) as producer:
        for number in range(count):
            producer.send(
                Mention(source="test", id=f"m{number}", text=f"I love it, {number}", published_at=datetime.now(UTC))
            )
        producer.flush()


def stored(settings: Settings) -> int:
    client = connect(settings.require_clickhouse())
    try:
        with clear_errors(client):
            return int(client.execute("SELECT uniqExact(mention_id) FROM mentions FINAL")[0][0])
    finally:
        client.disconnect()


def test_a_life_of_up(up: Callable[..., Up]) -> None:
    """Start, commands beside it, a second one refused, mentions through, Ctrl-C: drained, stopped, data kept."""
    one = up().ready()
    run = one.run
    pids = run.processes
    assert set(pids) == ROLES | {"dashboard", "broker", "clickhouse"}
    assert set(run.workers) == ROLES
    assert run.api_token in one.said
    assert run.clickhouse_url not in one.said, "the password is nobody's business"
    assert (one.folder / "run.json").stat().st_mode & 0o777 == 0o600
    for pid in pids.values():
        for connection in psutil.Process(pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                assert connection.laddr.ip == LOOPBACK

    second = run_up(one.folder)
    assert second.returncode == 5
    assert str(one.process.pid) in second.stderr
    assert "BABELWATCH_DATA_DIR" in second.stderr

    status = one.babelwatch("status", "--json")
    assert status.returncode == 0, status.stdout + status.stderr
    found: dict[str, Any] = json.loads(status.stdout)
    assert found["problems"] == []
    assert {w["role"]: w["healthy"] for w in found["workers"]} == dict.fromkeys(ROLES, True)
    assert all(w["rss_bytes"] > 2**20 for w in found["workers"])
    assert {(lag["role"], lag["topic"]) for lag in found["lag"]} == {
        ("language", "mentions"),
        ("sentiment", "mentions.detected"),
        ("sink", "mentions.scored"),
        ("sink", "mentions.dead"),
    }
    assert found["model"]["serving"]
    for secret in (run.clickhouse_url, run.api_token, run.author_key):
        assert secret not in status.stdout
    shown = one.babelwatch("status")
    assert shown.returncode == 0
    assert run.kafka_brokers in shown.stdout
    doctor = one.babelwatch("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout
    levels = {finding["check"]: finding["level"] for finding in json.loads(doctor.stdout)}
    assert levels["stack"] == levels["kafka"] == levels["clickhouse"] == levels["tables"] == "ok"
    assert levels["clickhouse clock"] == levels["clickhouse rights"] == "ok"
    topics = one.babelwatch("topics")
    assert topics.returncode == 0
    assert "mentions.detected" in topics.stdout

    send(one.settings, 200)
    assert one.signal_and_wait() == 0, one.said
    assert "not drained" not in one.said
    assert_nothing_left(one.folder, pids)

    again = up(one.folder).ready()
    assert stored(again.settings) == 200, "drained before the stop, and kept across it"
    assert again.run.api_token == run.api_token
    assert again.signal_and_wait(signal.SIGTERM) == 0

    emptied = subprocess.Popen(
        [*BABELWATCH, "up", "--fresh"], env=one.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until("the fresh one runs", lambda: (r := Run.read(one.folder)) is not None and r.pid == emptied.pid)
        assert stored(one.settings) == 0
    finally:
        emptied.send_signal(signal.SIGINT)
        assert emptied.wait(60) in {0, 130}


def test_killed_up_leaves_no_process_and_the_next_one_takes_over(up: Callable[..., Up]) -> None:
    one = up().ready()
    pids = one.run.processes
    send(one.settings, 20)
    until("they are stored", lambda: stored(one.settings) == 20)
    one.process.kill()
    one.process.wait()
    assert one.babelwatch("status").returncode == 3, "what a dead stack left is no running stack"
    # Right away: the ClickHouse of the dead one may still be ending.
    again = up(one.folder).ready()
    assert not any(identity(pid) for name, pid in pids.items() if name not in ROLES)
    assert stored(again.settings) == 20
    assert "left behind by process" in again.said
    assert again.signal_and_wait() == 0
    assert_nothing_left(one.folder, pids)


@pytest.mark.long
def test_a_second_interrupt_forces(up: Callable[..., Up]) -> None:
    one = up().ready()
    pids = one.run.processes
    for role in ("sentiment", "clickhouse"):  # neither drains nor ends by itself
        freeze(pids[role])
    send(one.settings, 5)
    one.process.send_signal(signal.SIGINT)
    until("it drains", lambda: "draining" in one.said)
    one.process.send_signal(signal.SIGINT)
    assert one.process.wait(20) == 130
    assert_nothing_left(one.folder, pids)


@pytest.mark.long
def test_what_cannot_be_drained_is_said_by_topic(up: Callable[..., Up]) -> None:
    one = up().ready()
    pids = one.run.processes
    freeze(pids["sentiment"])
    send(one.settings, 7)
    assert one.signal_and_wait() == 0
    assert "7 messages in mentions.detected" in one.said
    assert_nothing_left(one.folder, pids)


def test_an_interrupt_while_it_starts_undoes_the_start(up: Callable[..., Up]) -> None:
    one = up()
    until("services run", lambda: "ClickHouse at" in one.said)
    pids = {str(child.pid): child.pid for child in psutil.Process(one.process.pid).children()}
    assert pids
    assert one.signal_and_wait() == 130
    assert_nothing_left(one.folder, pids)


def test_crashed_workers_and_clickhouse_come_back(up: Callable[..., Up]) -> None:
    one = up().ready()
    before = one.run.processes
    for name in (*ROLES, "clickhouse"):
        os.kill(before[name], signal.SIGKILL)

    def back() -> bool:
        run = Run.read(one.folder)
        return run is not None and all(
            run.processes[name] != before[name] and identity(run.processes[name]) for name in (*ROLES, "clickhouse")
        )

    until("they are restarted", back)
    assert {role: worker.restarts for role, worker in one.run.workers.items()} == dict.fromkeys(ROLES, 1)
    send(one.settings, 30)
    until("they work", lambda: stored_or_none(one.settings) == 30, 120)
    assert "started again" in one.said
    assert one.signal_and_wait() == 0
    assert_nothing_left(one.folder, before)


def stored_or_none(settings: Settings) -> int | None:
    try:
        return stored(settings)
    except ClickHouseUnavailable:
        return None


def test_the_end_of_the_embedded_broker_is_the_end(up: Callable[..., Up]) -> None:
    one = up().ready()
    pids = one.run.processes
    os.kill(pids["broker"], signal.SIGKILL)
    assert one.process.wait(30) == 5
    assert "the embedded broker ended by itself" in one.said
    assert "lost" in one.said
    assert_nothing_left(one.folder, pids)


@pytest.mark.long("apache")
def test_on_services_that_are_given(up: Callable[..., Up], kafka: str, clickhouse_url: str) -> None:
    """One code path: the same `up` on another broker and another ClickHouse starts neither of its own."""
    one = up(KAFKA_BROKERS=kafka, CLICKHOUSE_URL=clickhouse_url).ready()
    pids = one.run.processes
    assert set(pids) == ROLES | {"dashboard"}
    assert not (one.folder / "clickhouse").exists()
    doctor = one.babelwatch("doctor", "--json")
    assert doctor.returncode == 0, doctor.stdout
    assert "babelwatch.doctor" not in one.babelwatch("topics", "--dry-run").stdout
    send(one.settings, 25)
    until("they are stored", lambda: stored(one.settings) == 25)
    assert one.signal_and_wait() == 0
    assert "stays in Kafka" in one.said
    assert_nothing_left(one.folder, pids)
    assert stored(load_settings(clickhouse_url=clickhouse_url)) == 25


# --- bad starts


def test_broker_unreachable(tmp_path: Path) -> None:
    port = free_port()
    result = run_up(tmp_path / "data", KAFKA_BROKERS=f"127.0.0.1:{port}", BABELWATCH_CONNECT_TIMEOUT_S="3")
    assert result.returncode == 3
    assert f"127.0.0.1:{port}" in result.stderr
    assert "trying again" in result.stderr, "retries are told"
    assert "KAFKA_BROKERS" in result.stderr.splitlines()[-1]
    assert_nothing_left(tmp_path / "data", {})


def test_clickhouse_unreachable(tmp_path: Path) -> None:
    port = free_port()
    url = f"clickhouse://me:hidden-word@127.0.0.1:{port}/x"
    result = run_up(tmp_path / "data", CLICKHOUSE_URL=url, BABELWATCH_CONNECT_TIMEOUT_S="3")
    assert result.returncode == 3
    assert f"127.0.0.1:{port}" in result.stderr
    assert "CLICKHOUSE_URL" in result.stderr
    assert "hidden-word" not in result.stderr + result.stdout
    assert_nothing_left(tmp_path / "data", {})


def test_wrong_password(tmp_path: Path, clickhouse_url: str) -> None:
    head, _, tail = clickhouse_url.partition("@")
    wrong = f"{head.rpartition(':')[0]}:hidden-word@{tail}"
    result = run_up(tmp_path / "data", CLICKHOUSE_URL=wrong)
    assert result.returncode == 3
    assert "password" in result.stderr
    assert "hidden-word" not in result.stderr + result.stdout
    assert_nothing_left(tmp_path / "data", {})


def test_dashboard_port_taken(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        result = run_up(tmp_path / "data", BABELWATCH_DASHBOARD_PORT=str(port))
    assert result.returncode == 5
    assert str(port) in result.stderr
    assert "BABELWATCH_DASHBOARD_PORT" in result.stderr
    assert_nothing_left(tmp_path / "data", {})


def test_data_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Tests may run as root, whom no mode stops: a file in the way, and a file system that is read-only."""
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", Path("/proc/babelwatch")):
        result = run_up(folder)
        assert result.returncode == 5, result.stderr
        assert "BABELWATCH_DATA_DIR" in result.stderr
        assert "Traceback" not in result.stderr


def test_disk_full_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount on this machine")
    if mounted.returncode:
        pytest.skip(f"a tiny disk cannot be mounted here: {mounted.stderr.strip()[:200]}")
    try:
        result = run_up(folder)
        assert result.returncode == 5
        assert "is full" in result.stderr
        assert "BABELWATCH_DATA_DIR" in result.stderr
        (folder / "filler").write_bytes(b"x" * (8 * 2**20 - 4096))
        result = run_up(folder)
        assert result.returncode == 5
        assert "Traceback" not in result.stderr
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_worker_that_cannot_start_shows_why(tmp_path: Path) -> None:
    """The model's folder is empty: its worker says so, `up` shows it and exits with the worker's code."""
    (tmp_path / "no-model").mkdir()
    result = run_up(tmp_path / "data", BABELWATCH_MODEL_PATH=str(tmp_path / "no-model"))
    assert result.returncode == 6, result.stderr
    assert "no-model" in result.stderr
    assert "sentiment.log" in result.stderr
    assert_nothing_left(tmp_path / "data", {})


def test_wrong_settings_name_the_variable(tmp_path: Path) -> None:
    result = run_up(tmp_path / "data", BABELWATCH_TOPIC_PARTITIONS="0")
    assert result.returncode == 2
    assert "topic_partitions" in result.stderr.lower()


def test_fresh_never_drops_a_clickhouse_that_is_not_ours(tmp_path: Path, clickhouse_url: str) -> None:
    environment = {**os.environ, "BABELWATCH_DATA_DIR": str(tmp_path), "CLICKHOUSE_URL": clickhouse_url}
    result = subprocess.run(
        [*BABELWATCH, "up", "--fresh"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 2
    assert "--fresh" in result.stderr


def test_status_and_doctor_without_anything(tmp_path: Path) -> None:
    environment = {**os.environ, "BABELWATCH_DATA_DIR": str(tmp_path)}

    def command(*arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*BABELWATCH, *arguments], env={**environment, **more}, capture_output=True, text=True, check=False
        )

    status = command("status")
    assert status.returncode == 3
    assert "babelwatch up" in status.stdout
    port = free_port()
    doctor = command(
        "doctor",
        "--json",
        KAFKA_BROKERS=f"127.0.0.1:{port}",
        CLICKHOUSE_URL=f"clickhouse://u:hidden@127.0.0.1:{port}/x",
    )
    assert doctor.returncode == 1
    failed = {f["check"]: f for f in json.loads(doctor.stdout) if f["level"] == "fail"}
    assert set(failed) == {"kafka", "clickhouse"}
    assert all(str(port) in f["found"] for f in failed.values())
    assert "hidden" not in doctor.stdout
    broken = tmp_path / "brands.yaml"
    broken.write_text("version: 1\nbrands: {}\n")
    doctor = command("doctor", BABELWATCH_BRANDS_FILE=str(broken), BABELWATCH_MODEL_PATH=str(tmp_path))
    assert doctor.returncode == 1
    assert str(broken) in doctor.stdout
    assert "BABELWATCH_MODEL_PATH" in doctor.stdout
