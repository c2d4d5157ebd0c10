"""The supervisor with real processes that hang, or end again and again."""

import os
import signal
import sys
from pathlib import Path

from prometheus_client import REGISTRY

from pipeline.embedded.child import Child
from pipeline.embedded.ports import free_port
from pipeline.embedded.restarts import CrashLoopPolicy, RestartPolicy
from pipeline.embedded.supervisor import Supervisor
from pipeline.embedded.watchdog import WedgePolicy
from tests.freezing import freeze
from tests.unit.test_stack_supervisor import Clock, child, until

PYTHON = sys.executable
PAGE = """
import http.server, json, signal, sys, threading, time
illnesses = json.loads(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"illnesses": illnesses}).encode()
        self.send_response(503 if illnesses else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
QUICK = WedgePolicy(
    every_s=0.05, answer_s=0.3, named_s=0.1, silent_s=0.8, first_page_s=10, patience_s={}, other_s=1, grace_s=0.3
)


def paged(tmp_path: Path, port: int, *more: str, ill: str = "[]") -> Child:
    one = Child("thing", [PYTHON, "-c", PAGE, str(port), ill, *more], tmp_path / "thing.log")
    one.start()
    return one


def sample(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_a_frozen_process_is_named_ended_and_started_again(tmp_path: Path) -> None:
    """Its page hangs, since the kernel still accepts connections; meanwhile another child is watched as before."""
    states: list[tuple[str, str, str]] = []
    supervisor = Supervisor(
        lambda name, w: states.append((name, w.state, w.problem)), RestartPolicy(first_s=0.05), wedged=QUICK
    )
    port = free_port()
    one = paged(tmp_path, port, "deaf")
    other = child(tmp_path, "import time; time.sleep(60)", "other")
    other.start()
    wedged = sample("babelwatch_child_wedged_total", process="frozen", what="silent")
    supervisor.watch("frozen", one, health=f"http://127.0.0.1:{port}/health")
    supervisor.watch("other", other)
    watched = supervisor.watched["frozen"]
    until(lambda: watched._watchdog is not None and watched._watchdog._answered)
    assert sample("babelwatch_child_well", process="frozen") == 1
    first = one.pid
    freeze(first)
    until(lambda: watched.problem != "")
    assert "do not answer" in watched.problem
    os.kill(other.pid, signal.SIGKILL)
    until(lambda: supervisor.watched["other"].restarts == 1, 2)
    until(lambda: watched.restarts == 1)
    assert one.pid != first
    assert "wedged: its pages do not answer" in watched.ended
    assert sample("babelwatch_child_wedged_total", process="frozen", what="silent") == wedged + 1
    assert ("frozen", "wedged", states[[s[1] for s in states].index("wedged")][2]) in states
    until(lambda: watched._watchdog is not None and watched._watchdog._answered)
    assert watched.problem == ""
    supervisor.stop()
    one.kill()
    other.kill()


def test_an_illness_that_its_page_tells_is_named_and_ended(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda *_: None, RestartPolicy(first_s=30), wedged=QUICK)
    port = free_port()
    one = paged(tmp_path, port, ill='[{"what": "stalled", "says": "7 messages wait", "own_age_s": 99}]')
    supervisor.watch("ill", one, health=f"http://127.0.0.1:{port}/health")
    until(lambda: supervisor.watched["ill"].state == "restarting")
    assert supervisor.watched["ill"].ended == "wedged: 7 messages wait"
    supervisor.stop()


def test_an_outage_is_no_reason_to_end_it(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda *_: None, wedged=QUICK)
    port = free_port()
    one = paged(tmp_path, port, ill='[{"what": "stalled", "says": "7 messages wait", "own_age_s": 0}]')
    supervisor.watch("away", one, health=f"http://127.0.0.1:{port}/health")
    watched = supervisor.watched["away"]
    until(lambda: watched._watchdog is not None and watched._watchdog._ill.get("stalled", (0,))[0] > 10)
    assert (watched.state, watched.problem, watched.restarts) == ("running", "", 0)
    supervisor.stop()
    one.kill()


def test_a_crash_loop_is_named_with_its_last_words_until_it_is_over(tmp_path: Path) -> None:
    clock, events = Clock(), list[tuple[str, str]]()
    supervisor = Supervisor(
        lambda name, w: events.append((name, w.state)), clock=clock, crash_loop=CrashLoopPolicy(3, 300)
    )
    supervisor._thread = object()  # type: ignore[assignment]
    one = child(tmp_path, "print('no such table: mentions'); raise SystemExit(1)")
    one.start()
    supervisor.watch("loop", one)
    watched = supervisor.watched["loop"]
    for number in range(1, 6):
        one.wait(10)
        supervisor.check()
        assert watched.crash_looping is (number >= 3)
        clock.now += 31
        supervisor.check()
        assert watched.restarts == number, "it goes on being started, with pauses of up to 30 s"
    assert (watched.ended, watched.words) == ("exit code 1", "no such table: mentions")
    assert watched.ended_at is not None
    assert sample("babelwatch_child_crash_looping", process="loop") == 1
    assert sample("babelwatch_child_well", process="loop") == 0
    one.wait(10)
    one._argv = [PYTHON, "-c", "import time; time.sleep(60)"]
    supervisor.check()
    clock.now += 31
    supervisor.check()
    told = len(events)
    clock.now += 300
    supervisor.check()
    assert watched.crash_looping is False
    assert events[told:] == [("loop", "running")]
    assert sample("babelwatch_child_crash_looping", process="loop") == 0
    one.kill()
