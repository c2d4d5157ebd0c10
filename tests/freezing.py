"""Hold a process with SIGSTOP, for tests of what hangs.

``kill`` returns before the kernel has stopped every thread of the process: on a busy machine one of them may still
serve the next request (seen in CI). So wait until none is left running.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 10


def freeze(pid: int) -> None:
    """Stop every thread of a process; return when all of them are (proc(5): state T in /proc/PID/task/TID/stat)."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + LIMIT_S
    while _running(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs {LIMIT_S} s after SIGSTOP"
        time.sleep(0.01)


def thaw(pid: int) -> None:
    """Let it go on."""
    os.kill(pid, signal.SIGCONT)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Hold it for the length of a block."""
    freeze(pid)
    try:
        yield
    finally:
        thaw(pid)


def _running(pid: int) -> list[str]:
    running = []
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        try:
            state = stat.read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread ended meanwhile
        if state not in "TZX":
            running.append(stat.parent.name)
    return running
