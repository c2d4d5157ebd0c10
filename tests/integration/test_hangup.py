"""A terminal that is closed: under `up`, which drains and leaves word; under `ingest`, which confirms what it read."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.embedded.files import Run
from pipeline.embedded.processes import identity
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.members import members
from pipeline.kafka.offsets import OffsetReader, end_offsets
from pipeline.kafka.topics import GROUPS, MENTIONS
from pipeline.local import discover
from pipeline.settings import Settings, load_settings
from pipeline.sources.place import SUFFIX
from pipeline.sources.producer import MentionProducer
from schemas.events import Mention
from tests.freezing import freeze
from tests.integration.worker_process import WorkerProcess, environment_of, wait_until

pytestmark = [pytest.mark.embedded, pytest.mark.slow, pytest.mark.timeout(240)]

ON_A_TERMINAL = (
    "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from pipeline.cli.main import main; main()"
)
ROWS = 20_000


class Session:
    """A command as the leader of a session, on a terminal whose other end is ours."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", ON_A_TERMINAL, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)
        os.set_blocking(self.terminal, False)
        self.seen = ""

    def says(self, text: str) -> bool:
        assert self.process.poll() is None, self.seen
        with suppress(BlockingIOError):
            self.seen += os.read(self.terminal, 100_000).decode(errors="replace")
        return text in self.seen

    def close(self) -> None:
        """Close the terminal: the kernel sends SIGHUP, once for each process group that is concerned."""
        os.close(self.terminal)


@contextmanager
def session(environment: dict[str, str], *arguments: str) -> Iterator[Session]:
    one = Session(environment, *arguments)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_up_drains_and_leaves_word_of_what_is_lost(make_settings: Callable[..., Settings], tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with session(environment_of(make_settings(data_dir=folder)), "up") as up:
        wait_until("up is ready", lambda: up.says("Ctrl-C stops everything"), 180)
        run = Run.read(folder)
        assert run is not None
        with MentionProducer(discover(load_settings(data_dir=folder))) as producer:
            freeze(run.processes["sentiment"])
            for number in range(7):
                producer.send(Mention(source="test", id=f"m{number}", text="I love it", published_at=datetime.now(UTC)))
            producer.flush()
        up.close()
        os.kill(up.process.pid, signal.SIGHUP)  # the shell's, after the kernel's
        assert up.process.wait(30) == 0
    said = (folder / "logs" / "up.log").read_text()
    assert "draining" in said
    assert "not drained, lost with the embedded broker: 7 messages in mentions.detected" in said
    assert "Traceback" not in said
    wait_until("all processes have ended", lambda: not any(identity(pid) for pid in run.processes.values()), 30)
    assert not (folder / "run.json").exists()


def test_ingest_confirms_what_it_read_and_goes_on_later(
    kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(settings)
    path = tmp_path / "in.jsonl"
    row = {"source": "hangup", "text": "the Lumora is fine", "published_at": "2026-01-01T00:00:00Z"}
    path.write_text("".join(json.dumps({**row, "id": str(number)}) + "\n" for number in range(ROWS)))
    with session(environment_of(settings), "ingest", str(path)) as ingest:

        def confirmed() -> bool:
            ingest.says("")
            return path.with_name(path.name + SUFFIX).exists()

        wait_until("some of it is confirmed", confirmed, 60, 0.005)
        ingest.close()
        assert ingest.process.wait(60) == 130
    in_time = sum(end_offsets(settings, MENTIONS).values())
    assert 0 < in_time < ROWS
    again = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "ingest", "--json", str(path)],
        env=environment_of(settings),
        capture_output=True,
        check=True,
        timeout=120,
    )
    assert json.loads(again.stdout)["resumed_at"] == in_time, "all that was sent was noted"
    assert sum(end_offsets(settings, MENTIONS).values()) == ROWS


def test_a_worker_drains_as_for_sigterm(
    kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """The stream client has taken the other signals over by then."""
    settings = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(settings)
    with WorkerProcess("language", settings, tmp_path) as worker:
        worker.ready()
        assert members(settings, [GROUPS["language"], "nobody"]) == {GROUPS["language"]: 1, "nobody": 0}
        with MentionProducer(settings) as producer:
            for number in range(50):
                producer.send(Mention(source="test", id=f"m{number}", text="I love it", published_at=datetime.now(UTC)))
            producer.flush()
        with OffsetReader(settings) as reader:
            wait_until("some are read", lambda: bool(reader.committed(GROUPS["language"], [MENTIONS])), 30, 0.01)
        for _ in range(2):
            worker.signal(signal.SIGHUP)
        assert worker.wait() == 0, worker.log()
