"""``babelwatch ingest`` as a user runs it, into a real broker: confirmed, killed, interrupted, and gone on with."""

import fcntl
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.embedded.ports import free_port
from pipeline.kafka.admin import ensure_topics
from pipeline.settings import Settings
from pipeline.sources.checkpoint import load
from pipeline.sources.ingest import COMMIT_ROWS
from schemas.ids import mention_id
from tests.integration.topic_support import of_source

MANY = 20_000


@pytest.fixture
def source() -> str:
    return f"ingest-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def settings(kafka: str, make_settings: Callable[..., Settings]) -> Settings:
    made = make_settings(kafka_brokers=kafka)
    ensure_topics(made)
    return made


def command(settings: Settings, *arguments: str) -> tuple[list[str], dict[str, str]]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BABELWATCH_", "KAFKA_", "CLICKHOUSE_"))}
    environment |= {
        "KAFKA_BROKERS": settings.require_kafka(),
        "BABELWATCH_DATA_DIR": str(settings.data_dir),
        "BABELWATCH_CONNECT_TIMEOUT_S": "20",
    }
    return [sys.executable, "-c", "from pipeline.cli.main import main; main()", "ingest", *arguments], environment


def ingest(settings: Settings, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    argv, environment = command(settings, *arguments)
    return subprocess.run(argv, env=environment, input=stdin, capture_output=True, timeout=120, check=False)


def begin(settings: Settings, *arguments: str) -> subprocess.Popen[bytes]:
    argv, environment = command(settings, *arguments)
    return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def until_checkpoint(process: subprocess.Popen[bytes], state: Path) -> None:
    """Return when some of the file is confirmed; fail when the process ends or nothing happens."""
    deadline = time.monotonic() + 60
    while not state.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def lines(source: str, count: int) -> bytes:
    return b"".join(
        json.dumps(
            {"source": source, "id": str(n), "text": f"text {n}", "published_at": "2026-01-01T00:00:00Z"}
        ).encode()
        + b"\n"
        for n in range(count)
    )


def keys(source: str, count: int) -> set[bytes]:
    return {mention_id("default", source, str(n), None, None, "").encode() for n in range(count)}


def test_a_file_with_rejects(settings: Settings, tmp_path: Path, source: str) -> None:
    path = tmp_path / f"{source}.jsonl"
    named = b'{"id": "100", "text": "no source", "published_at": "2026-01-01T00:00:00Z"}\n'
    path.write_bytes(lines(source, 5) + b"broken\n\n" + named + b'{"text": "\xff"}\n')
    done = ingest(settings, str(path))
    assert done.returncode == 10, done.stderr
    assert b"9 lines: 6 sent and confirmed, 2 rejected, 1 blank" in done.stdout
    assert f"{path}:6: not_json".encode() in done.stderr
    rejects = [json.loads(line) for line in path.with_name(path.name + ".rejects.jsonl").read_text().splitlines()]
    assert [(r["line"], r["reason"]) for r in rejects] == [(6, "not_json"), (9, "not_utf8")]
    found = of_source(settings, source)
    assert len(found) == 6
    assert {key for key, _ in found} == keys(source, 5) | {
        mention_id("default", source, "100", None, None, "").encode()
    }

    again = ingest(settings, str(path), "--json")
    assert again.returncode == 10
    assert json.loads(again.stdout)["resumed_at"] == 9
    assert len(of_source(settings, source)) == 6


def test_csv_by_a_mapping(settings: Settings, tmp_path: Path, source: str) -> None:
    path = tmp_path / "posts.csv.gz"
    path.write_bytes(gzip.compress('no;when;body\n1;2026-01-01 10:00;"ルモラ; ""x""\ny"\n'.encode()))
    done = ingest(
        settings, str(path), "--map", "id=no,published_at=when,text=body", "--timezone", "UTC", "--source", source
    )
    assert done.returncode == 0, done.stderr
    ((_, value),) = of_source(settings, source)
    assert json.loads(value) == {
        "source": source,
        "id": "1",
        "text": 'ルモラ; "x"\ny',
        "published_at": "2026-01-01T10:00:00Z",
    }


def test_standard_input_gzipped(settings: Settings, source: str) -> None:
    done = ingest(settings, "-", stdin=gzip.compress(lines(source, 50)))
    assert done.returncode == 0, done.stderr
    assert b"cannot be resumed" in done.stderr
    assert {key for key, _ in of_source(settings, source)} == keys(source, 50)


@pytest.mark.long("apache")
def test_killed_in_the_middle_nothing_is_lost(settings: Settings, tmp_path: Path, source: str) -> None:
    path = tmp_path / "many.jsonl"
    path.write_bytes(lines(source, MANY))
    state = path.with_name(path.name + ".babelwatch-ingest")
    process = begin(settings, str(path))
    until_checkpoint(process, state)
    process.kill()
    process.communicate()
    stopped_at = load(state)
    assert stopped_at is not None
    assert 0 < stopped_at.line < MANY, "it was killed too late to prove anything"

    done = ingest(settings, str(path))
    assert done.returncode == 0, done.stderr
    assert f"went on after line {stopped_at.line:,}".encode() in done.stdout
    found = [key for key, _ in of_source(settings, source)]
    assert set(found) == keys(source, MANY)
    assert len(found) - MANY <= COMMIT_ROWS


@pytest.mark.long("apache")
def test_interrupted_it_confirms_stops_and_goes_on_without_a_repeat(
    settings: Settings, tmp_path: Path, source: str
) -> None:
    path = tmp_path / "many.jsonl"
    path.write_bytes(lines(source, MANY))
    process = begin(settings, str(path))
    until_checkpoint(process, path.with_name(path.name + ".babelwatch-ingest"))
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == 130, shown
    assert b"Traceback" not in shown
    assert b"run the same command again" in shown
    assert ingest(settings, str(path)).returncode == 0
    found = [key for key, _ in of_source(settings, source)]
    assert set(found) == keys(source, MANY)
    assert len(found) == MANY


def test_a_broker_that_is_not_there(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(lines("x", 1))
    address = f"127.0.0.1:{free_port()}"
    argv, environment = command(make_settings(kafka_brokers=address), str(path))
    environment["BABELWATCH_CONNECT_TIMEOUT_S"] = "2"
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 3
    assert address.encode() in done.stderr
    assert b"KAFKA_BROKERS" in done.stderr
    assert b"Traceback" not in done.stderr
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["in.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere.jsonl"], b"No such file"),
        (["in.jsonl", "--map", "text"], b"--map"),
        (["in.jsonl", "--timezone", "Mars/Base"], b"--timezone"),
        (["in.jsonl", "--delimiter", "ab"], b"--delimiter"),
        (["array.json"], b"JSON array"),
        (["."], b"irectory"),
    ],
)
def test_what_cannot_be_used_says_so(
    make_settings: Callable[..., Settings], tmp_path: Path, arguments: list[str], says: bytes
) -> None:
    (tmp_path / "in.jsonl").write_bytes(lines("x", 1))
    (tmp_path / "array.json").write_bytes(b"[{}]")
    argv, environment = command(make_settings(kafka_brokers="127.0.0.1:1"), *arguments)
    environment["PYTHONPATH"] = os.getcwd()
    done = subprocess.run(argv, env=environment, capture_output=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert b"Traceback" not in done.stderr


def test_two_at_once_on_one_file_are_kept_apart(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(lines("x", 1))
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        done = ingest(make_settings(kafka_brokers="127.0.0.1:1"), str(path))
    assert done.returncode == 2
    assert b"another `babelwatch ingest`" in done.stderr
