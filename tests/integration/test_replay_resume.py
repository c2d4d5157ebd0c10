"""The same `replay` command later: what it goes on with, what it begins anew, and when it asks which is meant."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from pipeline.cli.replay import _state_file
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import OffsetReader, end_offsets
from pipeline.kafka.topics import MENTIONS
from pipeline.settings import Settings
from pipeline.store import rows as r
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.ids import truth_order
from tests.integration.store_support import scored
from tests.integration.worker_process import environment_of, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.embedded]

MakeSettings = Callable[..., Settings]
LONG_AGO = datetime.now(UTC) - timedelta(days=1)


class Log:
    """Topic ``mentions`` without workers, and the command."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        ensure_topics(settings)

    def fill(self, count: int) -> None:
        """Send ``count`` records to partition 0."""
        producer = KafkaProducer(**client_options(self.settings), acks="all", enable_idempotence=False)
        for number in range(count):
            producer.send(MENTIONS, partition=0, value=b"%d" % number)
        producer.flush(30)
        producer.close()

    def end(self) -> int:
        return end_offsets(self.settings, MENTIONS)[0]

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "pipeline.cli", "replay", "--max-waiting", "100000", *arguments]
        return subprocess.Popen(
            command, env=environment_of(self.settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def replay(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code and what it prints."""
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=120)
        return process.returncode, out, errors

    def state(self) -> Path | None:
        """The only one."""
        return next((self.settings.data_dir / "replays").glob("*.json"), None)

    def killed(self, *arguments: str) -> Path:
        """Kill the command in its first moments; gives what it leaves."""
        process = self.start("--rate", "5", *arguments)
        before = self.end()
        wait_until("something is sent", lambda: self.end() > before, 60, every_s=0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        found = self.state()
        assert found is not None
        return found


@pytest.fixture
def log(kafka_embedded: str, make_settings: MakeSettings) -> Log:
    return Log(make_settings(kafka_brokers=kafka_embedded))


def change(path: Path, **fields: Any) -> None:
    """Set fields of a state; None removes one."""
    found = json.loads(path.read_bytes()) | fields
    path.write_text(json.dumps({name: value for name, value in found.items() if value is not None}))


def test_killed_at_once_it_goes_on_with_the_range_that_it_began(log: Log) -> None:
    log.fill(60)
    log.killed("--from", "0")
    log.fill(7)
    code, out, errors = log.replay("--from", "0")
    assert code == 0, errors
    assert "goes on with the replay that began" in errors
    assert "from offset 0 to what was there then" in errors
    assert out.startswith("60 records"), "not what came since"
    assert log.state() is None


def test_a_range_that_counts_from_now_asks_after_a_while_which_is_meant(log: Log) -> None:
    log.fill(60)
    state = log.killed("--from", "1h")
    change(state, began=LONG_AGO.isoformat())
    for arguments in ((), ("--dry-run",)):
        code, out, errors = log.replay("--from", "1h", *arguments)
        assert (code, out) == (2, "")
        assert "--resume" in errors
        assert "--restart" in errors
        assert "Traceback" not in errors
    before = log.end()
    code, out, errors = log.replay("--from", "1h", "--resume")
    assert code == 0, errors
    assert (out.split()[0], log.end() - before) == ("60", 60)

    code, out, errors = log.replay("--from", "1h", "--resume")
    assert code == 2
    assert "no replay with these arguments" in errors


def test_a_state_of_an_older_build_is_as_old_as_its_file(log: Log) -> None:
    log.fill(60)
    state = log.killed("--from", "1h")
    change(state, began=None, since=None, until=None)
    os.utime(state, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
    code, _, errors = log.replay("--from", "1h")
    assert code == 2
    assert f"{LONG_AGO:%Y-%m-%d %H:%M:%S}" in errors
    expected = log.end()
    code, out, errors = log.replay("--from", "1h", "--restart")
    assert (code, out.split()[0]) == (0, str(expected)), errors


def test_where_nothing_is_left_it_begins_anew(log: Log) -> None:
    """A kill between the last record and the removal of the file."""
    log.fill(60)
    state = log.killed("--from", "0")
    done = {"sent": 60, "parts": [{"partition": 0, "next": 60, "end": 60}]}
    change(state, **done)
    log.fill(5)
    expected = log.end()
    code, out, errors = log.replay("--from", "0", "--dry-run")
    assert out == f"{expected:,} offsets of mentions would be sent (partition 0: 0 to {expected - 1})\n", errors
    code, out, errors = log.replay("--from", "0")
    assert (code, out.split()[0]) == (0, str(expected)), errors
    assert log.state() is None


def test_a_dry_run_of_one_that_goes_on_shows_what_is_left_and_no_empty_range(log: Log) -> None:
    log.fill(60)
    state = log.killed("--from", "0")
    change(state, sent=30, parts=[{"partition": 0, "next": 30, "end": 30}, {"partition": 1, "next": 10, "end": 12}])
    code, out, errors = log.replay("--from", "0", "--dry-run")
    assert (code, out) == (0, "2 offsets of mentions would be sent (partition 1: 10 to 11)\n"), errors


def test_a_restart_that_finds_nothing_leaves_no_older_replay(log: Log) -> None:
    log.fill(60)
    empty = ("0", "", 1, "language", False)
    log.killed("--from", "0").rename(_state_file(log.settings, empty))
    nothing = ("--from", "0", "--partition", "1", "--restart")
    assert log.replay(*nothing, "--dry-run")[0] == 0
    assert log.state() is not None, "a dry run changes nothing"
    code, out, errors = log.replay(*nothing)
    assert (code, out.startswith("nothing of mentions")) == (0, True), errors
    assert log.state() is None
    assert log.replay(*nothing, "--resume")[0] == 2


def test_judgements_that_a_rescore_outranks_by_now_are_named(
    kafka_embedded: str, clickhouse_url: str, make_settings: MakeSettings
) -> None:
    log = Log(make_settings(kafka_brokers=kafka_embedded, clickhouse_url=clickhouse_url))
    migrate(clickhouse_url)
    log.fill(60)
    log.killed("--from", "0", "--rejudge")
    client = connect(clickhouse_url)
    newer = r.candidate(scored("a"))._replace(truth=truth_order(revision=0, generation=2))
    MentionStore(client).write_candidates([newer])
    client.disconnect()
    code, _, errors = log.replay("--from", "0", "--rejudge")
    assert code == 2
    assert "generation 2, this one is 1" in errors
    code, out, errors = log.replay("--from", "0", "--rejudge", "--resume", "--json")
    assert (code, json.loads(out)["generation"]) == (0, 1), errors
    assert "those judgements stay" in errors
    code, out, errors = log.replay("--from", "0", "--rejudge", "--json")
    assert (code, json.loads(out)["generation"]) == (0, 3), errors


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--from", "3000w"), 0, "60 offsets"),
        (("--from", "1960-01-01"), 0, "60 offsets"),
        (("--from", "5m", "--to", "10m"), 2, "is not before --to 10m"),
        (("--from", "20261127"), 2, "taken for an offset"),
    ],
)
def test_odd_ranges(log: Log, arguments: tuple[str, ...], code: int, said: str) -> None:
    log.fill(60)
    found, out, errors = log.replay(*arguments, "--dry-run")
    assert (found, said in out + errors) == (code, True), out + errors


def test_a_moment_before_1970_is_the_beginning(kafka: str, make_settings: MakeSettings) -> None:
    log = Log(make_settings(kafka_brokers=kafka))
    log.fill(3)
    with OffsetReader(log.settings) as reader:
        assert reader.at(MENTIONS, -315_619_200_000)[0] == 0


@pytest.mark.parametrize("since", ["3000w", "1960-01-01"])
def test_reconcile_since_before_1970_looks_at_everything(
    kafka_embedded: str, clickhouse_url: str, make_settings: MakeSettings, since: str
) -> None:
    log = Log(make_settings(kafka_brokers=kafka_embedded, clickhouse_url=clickhouse_url))
    migrate(clickhouse_url)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "reconcile", "--since", since],
        env=environment_of(log.settings),
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout.splitlines()[-1][:18]) == (0, b"every one of 0 off"), done.stderr.decode()
