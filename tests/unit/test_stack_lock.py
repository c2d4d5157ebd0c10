"""The data folder's lock: one holder, stale ones recognised by pid and start time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.embedded.lock import NAME, FolderLock
from pipeline.embedded.processes import identity, is_running
from pipeline.errors import EmbeddedServiceError

HOLD = """
import sys, time
from pathlib import Path
from pipeline.embedded.lock import FolderLock
FolderLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def test_acquire_and_release_leave_nothing(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "new" / "data")
    lock.acquire()
    assert (tmp_path / "new" / "data" / NAME).stat().st_mode & 0o777 == 0o600
    assert lock.held
    lock.release()
    assert list((tmp_path / "new" / "data").iterdir()) == []
    lock.release()


def test_a_living_holder_refuses_others_and_is_named(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(EmbeddedServiceError) as caught:
            FolderLock(tmp_path).acquire()
        assert str(process.pid) in str(caught.value)
        assert "BABELWATCH_DATA_DIR" in str(caught.value)
    finally:
        process.kill()
        process.wait()


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    process = holder(tmp_path)
    process.kill()
    process.wait()
    lock = FolderLock(tmp_path)
    lock.acquire()
    assert f"left behind by process {process.pid}" in caplog.text
    assert json.loads((tmp_path / NAME).read_text())["pid"] == os.getpid()
    lock.release()


def test_a_pid_that_is_another_process_now_is_stale(tmp_path: Path) -> None:
    living = os.getppid()
    (tmp_path / NAME).write_text(json.dumps({"pid": living, "identity": "another:start"}))
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()


def test_pid_and_start_time_refuse_where_flock_does_not(tmp_path: Path) -> None:
    """A file system without flock: nobody holds it, but the process in the file lives."""
    living = os.getppid()
    (tmp_path / NAME).write_text(json.dumps({"pid": living, "identity": identity(living)}))
    with pytest.raises(EmbeddedServiceError, match=str(living)):
        FolderLock(tmp_path).acquire()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x"}', "\x00\x00"])
def test_a_damaged_lock_is_no_lock(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    for folder in (tmp_path / "data", tmp_path / "data" / "below"):
        with pytest.raises(EmbeddedServiceError, match="BABELWATCH_DATA_DIR"):
            FolderLock(folder).acquire()


def test_identity_tells_processes_apart() -> None:
    own = identity(os.getpid())
    assert own is not None
    assert own == identity(os.getpid())
    assert is_running(os.getpid(), own)
    process = subprocess.Popen(["true"])
    process.wait()
    assert identity(process.pid) is None


def test_a_zombie_is_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "print('x')"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read()  # ends when it has ended; nobody has waited for it
    try:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert identity(process.pid) is None
    finally:
        process.wait()
