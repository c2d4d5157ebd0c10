"""A terminal that goes away: what counts as a wish to stop, and that writing there goes on. Real signals, real ptys."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.cli.signals import StopSignals
from pipeline.hangup import stop_signals
from pipeline.sources.interrupt import Interruptions, StopNow

HUP, INT, TERM = signal.SIGHUP, signal.SIGINT, signal.SIGTERM


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Whatever a test does, the signals of the test run itself are as before."""
    before = {number: signal.getsignal(number) for number in (HUP, INT, TERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_under_nohup_a_hangup_is_nothing() -> None:
    assert stop_signals() == (INT, TERM, HUP)
    signal.signal(HUP, signal.SIG_IGN)
    assert stop_signals() == (INT, TERM)
    with StopSignals() as signals, Interruptions("stopping"):
        signals.gentle()
        signal.raise_signal(HUP)
        assert not signals.stop.is_set()


@pytest.mark.parametrize("first", [HUP, INT, TERM])
def test_a_stack_is_asked_once_and_forced_by_hand_only(first: signal.Signals) -> None:
    with StopSignals() as signals:
        signals.gentle()
        signal.raise_signal(first)
        assert signals.stop.is_set()
        for _ in range(3):
            signal.raise_signal(HUP)
        if first == HUP:
            signal.raise_signal(TERM)  # by whoever ends the session's processes a moment later
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(INT)


def test_a_start_is_left_at_the_first_hangup_and_undone_in_peace() -> None:
    with StopSignals():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(HUP)
        signal.raise_signal(HUP)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(INT)


def test_a_worker_drains_for_a_hangup_as_for_sigterm() -> None:
    """The stream client has taken SIGINT and SIGTERM over, and has no handler for SIGHUP."""
    drains: list[int] = []
    with StopSignals():
        signal.signal(TERM, lambda number, _: drains.append(number))
        signal.raise_signal(HUP)
        signal.raise_signal(HUP)
        assert drains == [TERM]


@pytest.mark.parametrize("first", [HUP, INT, TERM])
def test_a_source_is_asked_once_and_stopped_at_once_by_hand_only(
    first: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    with Interruptions("stopping: it is being confirmed") as stops:
        stops.check()
        signal.raise_signal(first)
        signal.raise_signal(HUP)
        with pytest.raises(KeyboardInterrupt):
            stops.check()
        if first == HUP:
            signal.raise_signal(TERM)
        with pytest.raises(StopNow):
            signal.raise_signal(TERM)
    assert capfd.readouterr().err.count("stopping: it is being confirmed") == 1


def test_a_source_that_waits_is_left_at_a_hangup() -> None:
    with Interruptions("stopping") as stops, pytest.raises(KeyboardInterrupt), stops.waiting():
        signal.raise_signal(HUP)


DRAINS = """
import logging, sys, time, threading
from pathlib import Path
import click
from pipeline.cli.signals import StopSignals
from pipeline.hangup import outlive_terminal
from rich.console import Console
from rich.progress import Progress

words, done = (Path(argument) for argument in sys.argv[1:])
outlive_terminal(words if words.name != "none" else None)
logging.basicConfig(level=logging.WARNING, format="%(message)s")
with StopSignals() as signals:
    signals.gentle()
    click.echo("ready")
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("drains", total=3)
        signals.stop.wait(60)
        click.echo("draining", err=True)
        for _ in range(3):
            time.sleep(0.15)
            bar.update(task, advance=1)
        logging.warning("lost: 7 messages in mentions.detected")
    print("out", "\\u00e9", flush=True)
    print("x" * 100_000, file=sys.stderr)
click.echo("stopped", err=True)
done.write_text("drained")
"""


def on_a_terminal(words: Path, done: Path) -> tuple["subprocess.Popen[bytes]", int]:
    """The program as the leader of a session whose terminal we hold the other end of."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{DRAINS}", words, done],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    os.close(theirs)
    return process, ours


@pytest.mark.parametrize("name", ["up.log", "none"])
def test_a_command_drains_to_its_end_when_its_terminal_is_closed(tmp_path: Path, name: str) -> None:
    words, done = tmp_path / "logs" / name, tmp_path / "done"
    process, terminal = on_a_terminal(words, done)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1000)
    os.close(terminal)
    assert process.wait(30) == 0
    assert done.read_text() == "drained"
    if name == "none":
        assert not words.exists()
        return
    said = words.read_text()
    assert "nobody reads process" in said
    positions = [said.index(text) for text in ("draining", "lost: 7 messages in mentions.detected", "x" * 100_000)]
    assert positions == sorted(positions)
    assert "out é" in said
    assert "stopped" in said
    assert "Traceback" not in said
    assert words.stat().st_mode & 0o777 == 0o600


def test_a_pipe_whose_reader_is_gone_is_the_same(tmp_path: Path) -> None:
    """`babelwatch up 2>&1 | tee log` over a connection that broke: no signal may come at all."""
    words, done = tmp_path / "up.log", tmp_path / "done"
    process = subprocess.Popen(
        [sys.executable, "-c", DRAINS, words, done],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.stdout.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert done.read_text() == "drained"
    assert "lost: 7 messages" in words.read_text()


def test_a_full_disk_is_still_an_error() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    code = "from pipeline.hangup import outlive_terminal as o; o(); print('x', flush=True)"
    with full.open("wb") as out:
        done = subprocess.run([sys.executable, "-c", code], stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode != 0
    assert b"No space left" in done.stderr
