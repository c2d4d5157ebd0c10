"""``ingest`` and ``backfill`` on files as they are found: read-only folders, pipes, bad rows, files that still grow.

Most of these need no broker: the address is one where nobody listens, so a command that got as far as sending would
end with exit code 3.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.offsets import end_offsets
from pipeline.kafka.topics import MENTIONS
from pipeline.settings import Settings

BOTH = pytest.mark.parametrize("command", ["ingest", "backfill"])
NOBODY = "127.0.0.1:1"
# a mode stops root only without this capability
WITHOUT_RIGHTS = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []


def run(folder: Path, *arguments: str, broker: str = NOBODY) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("BABELWATCH_", "KAFKA_", "CLICKHOUSE_"))}
    environment |= {
        "KAFKA_BROKERS": broker,
        "BABELWATCH_DATA_DIR": str(folder / "data"),
        "BABELWATCH_CONNECT_TIMEOUT_S": "20" if broker != NOBODY else "1",
    }
    argv = [sys.executable, "-c", "from pipeline.cli.main import main; main()", *arguments]
    done = subprocess.run(
        [*WITHOUT_RIGHTS, *argv], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "Traceback" not in done.stderr
    return done


def line(n: int, at: str = "2026-01-01T00:00:00Z") -> str:
    return json.dumps({"source": "s", "id": str(n), "text": f"text {n}", "published_at": at}) + "\n"


@pytest.fixture
def read_only(tmp_path: Path) -> Path:
    """A file in a folder where nothing can be written."""
    folder = tmp_path / "archive"
    folder.mkdir()
    path = folder / "in.jsonl"
    path.write_text(line(1) + line(2) + "bad\n")
    folder.chmod(0o500)
    return path


@BOTH
def test_a_folder_that_cannot_be_written_is_found_out_before_anything_is_sent(
    command: str, read_only: Path, tmp_path: Path
) -> None:
    done = run(tmp_path, command, str(read_only))
    assert done.returncode == 2, done.stderr
    assert "in.jsonl.babelwatch-ingest: Permission denied: use --state-dir FOLDER" in done.stderr
    assert [p.name for p in read_only.parent.iterdir()] == ["in.jsonl"]
    assert run(tmp_path, command, str(read_only), "--dry-run").returncode == 10


@BOTH
def test_a_name_that_leaves_no_room_for_ours(command: str, tmp_path: Path) -> None:
    path = tmp_path / ("x" * 245)
    path.write_text(line(1))
    done = run(tmp_path, command, str(path), "--format", "jsonl")
    assert done.returncode == 2
    assert "File name too long: use --state-dir FOLDER" in done.stderr


@BOTH
def test_a_rejects_file_that_cannot_be_written(command: str, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(line(1))
    path.with_name("in.jsonl.rejects.jsonl").mkdir()
    done = run(tmp_path, command, str(path))
    assert done.returncode == 2, done.stderr
    assert "in.jsonl.rejects.jsonl: Is a directory: use --state-dir FOLDER" in done.stderr


def test_an_option_that_was_given_is_the_one_that_is_named(read_only: Path, tmp_path: Path) -> None:
    there = str(read_only.parent / "x")
    for option, other in (("--state", "--rejects"), ("--rejects", "--state")):
        done = run(tmp_path, "ingest", str(read_only), option, there, other, str(tmp_path / "other"))
        assert done.returncode == 2
        assert f"{there}: Permission denied: use {option} PATH" in done.stderr
    assert not (tmp_path / "other").exists()


def test_a_list_of_rows_out_of_range_that_cannot_be_written(read_only: Path, tmp_path: Path) -> None:
    read_only.write_text(line(1, "1999-01-01T00:00:00Z"))
    done = run(tmp_path, "backfill", str(read_only), "--dry-run")
    assert done.returncode == 2
    assert "in.jsonl.out-of-range.jsonl: Permission denied: use --state-dir FOLDER" in done.stderr
    done = run(tmp_path, "backfill", str(read_only), "--dry-run", "--state-dir", str(tmp_path))
    assert f"all lines are in {tmp_path}/in.jsonl.out-of-range.jsonl" in done.stderr


def test_two_files_of_one_name_share_no_progress(tmp_path: Path) -> None:
    files = [tmp_path / name / "in.jsonl" for name in ("a", "b")]
    for path in files:
        path.parent.mkdir()
        path.write_text(line(1))
    done = run(tmp_path, "backfill", *map(str, files), "--state-dir", str(tmp_path))
    assert done.returncode == 2
    assert "have one name" in done.stderr


@BOTH
def test_a_pipe_is_refused_with_what_to_do_instead(command: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, line(1).encode())
    os.close(writing)
    try:
        # by its path, as the shell's <(...) gives it
        done = run(tmp_path, command, f"/proc/{os.getpid()}/fd/{reading}")
    finally:
        os.close(reading)
    assert done.returncode == 2, done.stderr
    assert "rite" in done.stderr
    assert "to a file first" in done.stderr
    assert "babelwatch ingest -" in done.stderr


def test_a_dry_run_of_ingest_takes_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(line(1))
    program = shlex.join([sys.executable, "-c", "from pipeline.cli.main import main; main()"])
    script = f"{program} ingest <(cat {shlex.quote(str(path))}) --dry-run"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "1 would be sent" in done.stdout


def test_a_dry_run_of_backfill_names_each_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(line(1) + "bad\n" + '{"text": 7}\n')
    done = run(tmp_path, "backfill", str(path), "--dry-run")
    assert done.returncode == 10
    assert "3 rows, 1 can be sent, 2 not valid" in done.stdout
    assert f"{path}:2: not_json" in done.stderr
    assert f"{path}:3: invalid" in done.stderr
    assert "2 rows would be rejected" in done.stderr
    path.write_text(line(1) + "bad\n" * 30)
    done = run(tmp_path, "backfill", str(path), "--dry-run")
    assert done.stderr.count("not_json") == 20
    assert "more rejects follow" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["in.jsonl"]


@pytest.mark.parametrize(("more", "code"), [([], 2), (["--skip-out-of-range"], 10)])
def test_the_check_as_json(tmp_path: Path, more: list[str], code: int) -> None:
    good, mixed = tmp_path / "good.jsonl", tmp_path / "mixed.jsonl"
    good.write_text(line(1))
    mixed.write_text(line(1) + line(2, "1999-01-01T00:00:00+01:00") + "bad\n\n")
    done = run(tmp_path, "backfill", str(good), str(mixed), "--dry-run", "--json", *more)
    assert done.returncode == code, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["file"], first["good"], first["out_of_range_file"]) == (str(good), 1, None)
    assert second == {
        "file": str(mixed),
        "dry_run": True,
        "rows": 4,
        "good": 1,
        "blank": 1,
        "invalid": 1,
        "too_old": 1,
        "in_the_future": 0,
        "first": "1998-12-31T23:00:00+00:00",
        "last": "2026-01-01T00:00:00+00:00",
        "out_of_range_file": f"{mixed}.out-of-range.jsonl",
    }


def test_a_refusal_has_its_check_as_json(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(line(1) + line(2, "1999-01-01T00:00:00Z"))
    done = run(tmp_path, "backfill", str(path), "--json")
    assert done.returncode == 2, done.stderr
    told = json.loads(done.stdout)
    assert (told["dry_run"], told["rows"], told["too_old"]) == (False, 2, 1)


@pytest.fixture
def settings(kafka_embedded: str, make_settings: Callable[..., Settings]) -> Settings:
    made = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(made)
    return made


def test_a_read_only_folder_is_loaded_with_its_progress_elsewhere(
    settings: Settings, read_only: Path, tmp_path: Path
) -> None:
    state, broker = tmp_path / "state", settings.require_kafka()
    state.mkdir()
    done = run(tmp_path, "backfill", str(read_only), "--state-dir", str(state), broker=broker)
    assert done.returncode == 10, done.stderr
    assert "3 lines: 2 sent and confirmed, 1 rejected" in done.stdout
    assert f"{state}/in.jsonl.rejects.jsonl" in done.stderr
    assert sorted(p.name for p in state.iterdir()) == ["in.jsonl.babelwatch-ingest", "in.jsonl.rejects.jsonl"]
    done = run(tmp_path, "ingest", str(read_only), "--state-dir", str(state), broker=broker)
    assert "nothing new since the last run" in done.stdout
    assert sum(end_offsets(settings, MENTIONS).values()) == 2


@BOTH
def test_a_file_that_is_still_written_adds_up(settings: Settings, command: str, tmp_path: Path) -> None:
    path, broker = tmp_path / "in.jsonl", settings.require_kafka()
    path.write_text(line(1) + line(2)[:30])
    done = run(tmp_path, command, str(path), broker=broker)
    assert (done.returncode, "2 lines: 1 sent and confirmed, 1 rejected" in done.stdout) == (10, True), done.stdout
    path.write_text(line(1) + line(2) + line(3)[:-1])
    done = run(tmp_path, command, str(path), broker=broker)
    assert (done.returncode, "3 lines: 3 sent and confirmed, 0 rejected" in done.stdout) == (0, True), done.stdout
    path.write_text(line(1) + line(2) + line(3))
    done = run(tmp_path, command, str(path), broker=broker)
    assert (done.returncode, "3 lines: 3 sent and confirmed, 0 rejected" in done.stdout) == (0, True), done.stdout
    assert path.with_name("in.jsonl.rejects.jsonl").read_text() == ""
