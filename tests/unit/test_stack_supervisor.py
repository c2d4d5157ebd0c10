"""Children: they end with their parent, are started again with backoff, and say why they failed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from pipeline.embedded.child import LOG_LIMIT, Child
from pipeline.embedded.processes import identity
from pipeline.embedded.restarts import RestartPolicy
from pipeline.embedded.supervisor import Supervisor, Watched
from pipeline.errors import EmbeddedServiceError
from tests.freezing import freeze

PYTHON = sys.executable


def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def child(tmp_path: Path, code: str, name: str = "thing", **options: object) -> Child:
    return Child(name, [PYTHON, "-c", code], tmp_path / f"{name}.log", **options)  # type: ignore[arg-type]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_last_words_are_those_of_the_last_start(tmp_path: Path) -> None:
    one = child(tmp_path, "print('first line'); print('why it failed'); raise SystemExit(7)")
    one.start()
    one.wait(10)
    assert one.exit_code == 7
    assert one.last_words() == "first line\nwhy it failed"
    assert one.how_it_ended() == "exit code 7"
    (tmp_path / "thing.log").write_bytes(b"old\n" * 10)
    two = child(tmp_path, "import os; os.kill(os.getpid(), 9)")
    two.start()
    two.wait(10)
    assert two.last_words() == ""
    assert two.how_it_ended() == "killed by SIGKILL"


def test_a_large_log_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / "thing.log").write_bytes(b"x" * (LOG_LIMIT + 1))
    one = child(tmp_path, "print('new')")
    one.start()
    one.wait(10)
    assert (tmp_path / "thing.log").read_text() == "new\n"
    assert (tmp_path / "thing.log.1").stat().st_size == LOG_LIMIT + 1


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file")
    with pytest.raises(EmbeddedServiceError, match="thing cannot be started"):
        Child("thing", [PYTHON, "-c", ""], tmp_path / "logs" / "thing.log").start()


def test_stop_is_sigterm_then_sigkill(tmp_path: Path) -> None:
    polite = child(tmp_path, "import time; time.sleep(60)", "polite")
    polite.start()
    assert polite.stop(10)
    deaf = child(
        tmp_path,
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
        "deaf",
    )
    deaf.start()
    until(lambda: "deaf" in deaf.last_words())
    assert not deaf.stop(0.2)
    assert deaf.how_it_ended() == "killed by SIGKILL"


def test_a_stopped_process_can_be_ended(tmp_path: Path) -> None:
    one = child(tmp_path, "import time; print('up', flush=True); time.sleep(60)")
    one.start()
    until(lambda: "up" in one.last_words())
    freeze(one.pid)
    assert one.stop(10)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_end_when_the_parent_is_killed(tmp_path: Path) -> None:
    """The parent starts it from a thread that ends, as a restart does; then it is killed with SIGKILL."""
    code = f"""
import sys, threading, time
from pathlib import Path
from pipeline.embedded.child import Child
child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(120)"], Path({str(tmp_path)!r}) / "s.log")
thread = threading.Thread(target=child.start)
thread.start()
thread.join()
time.sleep(0.3)
print(child.pid, child.running, flush=True)
time.sleep(120)
"""
    parent = subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, running = parent.stdout.readline().split()
    assert running == "True", "it must outlive the thread that started it"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: identity(int(pid)) is None)


def test_the_terminals_interrupt_does_not_reach_children(tmp_path: Path) -> None:
    one = child(tmp_path, "import time; time.sleep(60)")
    one.start()
    assert os.getsid(one.pid) == one.pid
    assert os.getpgid(one.pid) != os.getpgid(0)
    one.kill()


def test_pauses_grow_and_have_a_limit() -> None:
    policy = RestartPolicy(first_s=0.5, limit_s=30)
    assert [policy.pause_s(n) for n in range(7)] == [0.5, 1, 2, 4, 8, 16, 30]
    assert policy.pause_s(10_000) == 30


def manual(clock: Clock, events: list[tuple[str, str]]) -> Supervisor:
    """A supervisor without its thread: the test calls ``check``."""
    supervisor = Supervisor(lambda name, w: events.append((name, w.state)), clock=clock)
    supervisor._thread = object()  # type: ignore[assignment]
    return supervisor


def test_a_crash_is_restarted_after_the_pause_counted_and_told(tmp_path: Path) -> None:
    clock, events = Clock(), list[tuple[str, str]]()
    supervisor = manual(clock, events)
    one = child(tmp_path, "import time; time.sleep(60)")
    one.start()
    supervisor.watch("thing", one)
    watched: Watched = supervisor.watched["thing"]
    for crash, pause in enumerate((0.5, 1.0, 2.0)):
        first = one.pid
        os.kill(first, signal.SIGKILL)
        one.wait(10)
        supervisor.check()
        assert watched.state == "restarting"
        assert watched.ended == "killed by SIGKILL"
        clock.now += pause - 0.01
        supervisor.check()
        assert watched.state == "restarting"
        clock.now += 0.02
        supervisor.check()
        assert watched.state == "running"
        assert watched.restarts == crash + 1
        assert one.pid != first
    assert events == [("thing", "restarting"), ("thing", "running")] * 3
    clock.now += 61  # long enough to count as well again
    os.kill(one.pid, signal.SIGKILL)
    one.wait(10)
    supervisor.check()
    clock.now += 0.51
    supervisor.check()
    assert watched.state == "running"
    one.kill()


@pytest.mark.parametrize("code", [2, 4, 6, 8])
def test_what_another_start_would_not_change_is_not_restarted(tmp_path: Path, code: int) -> None:
    clock, events = Clock(), list[tuple[str, str]]()
    supervisor = manual(clock, events)
    one = child(tmp_path, f"raise SystemExit({code})")
    one.start()
    supervisor.watch("thing", one)
    one.wait(10)
    for _ in range(3):
        supervisor.check()
        clock.now += 100
    assert events == [("thing", "failed")]


def test_an_end_that_is_meant_is_no_crash(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    supervisor = Supervisor(lambda name, w: events.append((name, w.state)))
    one = child(tmp_path, "import time; time.sleep(60)")
    other = child(tmp_path, "import time; time.sleep(60)", "other")
    one.start()
    other.start()
    supervisor.watch("one", one)
    supervisor.watch("other", other)
    supervisor.forget("one")
    one.kill()
    os.kill(other.pid, signal.SIGKILL)
    until(lambda: ("other", "restarting") in events)
    supervisor.stop()
    assert not any(name == "one" for name, _ in events)
    other.kill()


def test_the_thread_restarts_by_itself(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda *_: None, RestartPolicy(first_s=0.05))
    one = child(tmp_path, "import time; time.sleep(60)")
    one.start()
    supervisor.watch("thing", one)
    first = one.pid
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor.watched["thing"].restarts == 1 and one.running)
    assert one.pid != first
    supervisor.stop()
    one.kill()


def test_a_listener_that_fails_does_not_end_the_watch(tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    supervisor = Supervisor(full, RestartPolicy(first_s=0.05))
    one = child(tmp_path, "import time; time.sleep(60)")
    one.start()
    before = REGISTRY.get_sample_value("babelwatch_supervisor_errors_total") or 0.0
    supervisor.watch("thing", one)
    for times in (1, 2):
        os.kill(one.pid, signal.SIGKILL)
        until(lambda times=times: supervisor.watched["thing"].restarts == times and one.running)  # type: ignore[misc]
    supervisor.stop()
    one.kill()
    # each end and each restart was told, to no avail
    assert REGISTRY.get_sample_value("babelwatch_supervisor_errors_total") == before + 4
