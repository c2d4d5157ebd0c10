"""`babelwatch dashboard` as a process: clear refusals, and an end that does not wait for open streams."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from pipeline.embedded.ports import free_port
from pipeline.store.migrations import migrate

TOKEN = "command-token-0123456789"
BABELWATCH = [sys.executable, "-c", "from pipeline.cli.main import main; main()", "dashboard"]


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return os.environ | {"BABELWATCH_DATA_DIR": str(tmp_path), "BABELWATCH_LOG_LEVEL": "WARNING"} | more


def refused(tmp_path: Path, *arguments: str, **more: str) -> tuple[int, str]:
    done = subprocess.run(
        [*BABELWATCH, *arguments],
        env=environment(tmp_path, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_without_a_token_it_says_how_to_get_one(tmp_path: Path) -> None:
    code, said = refused(tmp_path, CLICKHOUSE_URL="clickhouse://u:hidden@127.0.0.1:1/x", KAFKA_BROKERS="127.0.0.1:1")
    assert (code, "BABELWATCH_API_TOKEN" in said, "Traceback" in said, "hidden" in said) == (2, True, False, False)


def test_without_clickhouse_it_says_what_to_set(tmp_path: Path) -> None:
    code, said = refused(tmp_path, BABELWATCH_API_TOKEN=TOKEN, KAFKA_BROKERS="127.0.0.1:1")
    assert (code, "CLICKHOUSE_URL" in said, TOKEN in said) == (2, True, False)


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = refused(
            tmp_path,
            "--port",
            str(port),
            BABELWATCH_API_TOKEN=TOKEN,
            CLICKHOUSE_URL="clickhouse://u:p@127.0.0.1:1/x",
            KAFKA_BROKERS="127.0.0.1:1",
        )
    assert code == 5
    assert f"port {port}" in said
    assert "BABELWATCH_DASHBOARD_PORT" in said


@pytest.mark.embedded
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_while_a_browser_looks(tmp_path: Path, clickhouse_url: str, how: signal.Signals) -> None:
    migrate(clickhouse_url)
    port = free_port()
    variables = environment(
        tmp_path, BABELWATCH_API_TOKEN=TOKEN, CLICKHOUSE_URL=clickhouse_url, KAFKA_BROKERS="127.0.0.1:1"
    )
    process = subprocess.Popen([*BABELWATCH, "--port", str(port)], env=variables, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert f":{port}/" in process.stdout.readline()
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 30
        with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20, trust_env=False) as client:
            while True:
                try:
                    assert client.get(url + "/health").json() == {"status": "ok"}
                    break
                except httpx.TransportError:
                    assert time.monotonic() < deadline
            with client.stream("GET", url + "/api/v1/stream") as stream:
                assert next(stream.iter_lines())
                process.send_signal(how)
                process.wait(20)
        assert process.returncode in {0, -how}
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", port))
    finally:
        process.kill()
        process.wait()
