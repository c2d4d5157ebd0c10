"""`babelwatch topics`: it says what the broker says, what it waits for, and asks before what cannot be undone."""

import os
import pty
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from pipeline.cli.topics import _kept
from pipeline.embedded.files import Run
from pipeline.embedded.ports import LOOPBACK
from pipeline.embedded.processes import identity
from pipeline.kafka.admin import TopicState, ensure_topics
from pipeline.kafka.configs import read_configs
from pipeline.kafka.offsets import end_offsets
from pipeline.kafka.topics import MENTIONS, TOPICS
from pipeline.settings import Settings
from tests.integration.worker_process import environment_of

MakeSettings = Callable[..., Settings]
TOPICS_COMMAND = [sys.executable, "-m", "pipeline.cli", "topics"]


def topics(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it where nobody can be asked."""
    return subprocess.run(
        [*TOPICS_COMMAND, *arguments],
        env=environment_of(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


def answered(settings: Settings, answer: bytes, *arguments: str) -> tuple[int, str]:
    """Run it on a terminal at which somebody answers; exit code, and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*TOPICS_COMMAND, *arguments], env=environment_of(settings), stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    os.write(ours, answer)
    shown = b""
    with suppress(OSError):  # the other end is closed: it has ended
        while some := os.read(ours, 10_000):
            shown += some
    os.close(ours)
    return process.wait(60), shown.decode()


@pytest.mark.apache
def test_what_is_kept_is_what_the_broker_says(kafka_apache: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka_apache)
    missing = topics(settings, "--dry-run")
    assert "missing: 4 partitions, should be kept 7 days" in missing.stdout
    created = topics(settings)
    assert "mentions                 created: 4 partitions, kept 7 days\n" in created.stdout
    assert "warning" not in created.stdout
    with KafkaAdminClient(bootstrap_servers=kafka_apache) as admin:
        hour = {"retention.ms": "3600000"}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, MENTIONS, hour)])
    for arguments in ([], ["--dry-run"]):
        done = topics(settings, *arguments)
        assert done.returncode == 0
        assert "mentions                 there: 4 partitions, kept 1 h\n" in done.stdout
        assert "warning: retention.ms is 3600000 (1 h), and should be 604800000 (7 days)" in done.stdout
        assert "--entity-name mentions --add-config retention.ms=604800000" in done.stdout
    assert done.stdout.count("warning") == 1


@pytest.mark.embedded
def test_the_embedded_broker_keeps_what_it_has_until_it_stops(kafka_embedded: str, make_settings: MakeSettings) -> None:
    """It tells the retention that a topic was created with, and has none."""
    settings = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(settings)
    assert read_configs(settings, ["nowhere"]) == {}
    pid = os.getpid()
    settings.data_dir.mkdir()
    Run(
        pid=pid,
        identity=identity(pid) or "",
        started_at="",
        kafka_brokers=kafka_embedded,
        kafka_embedded=True,
        clickhouse_url="",
        clickhouse_embedded=False,
        clickhouse_http_url="",
        api_token="",
        author_key="",
        dashboard_url="",
        dashboard_port=1,
        processes={},
        workers={},
    ).write(settings.data_dir)
    done = topics(settings)
    assert done.returncode == 0
    assert "mentions                 there: 4 partitions, kept until it stops (embedded broker)\n" in done.stdout
    assert "days" not in done.stdout
    assert "warning" not in done.stdout


def test_a_broker_that_tells_no_configuration_is_not_quoted() -> None:
    state = TopicState(TOPICS[0], 4, 1)
    assert _kept(state, None, embedded=False) == "should be kept 7 days"


@pytest.mark.apache
def test_partitions_are_added_only_when_somebody_says_so(kafka_apache: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka_apache)
    ensure_topics(settings)
    grown = settings.model_copy(update={"topic_partitions": 6})

    def partitions() -> int:
        return len(end_offsets(settings, MENTIONS))

    refused = topics(grown, "--add-partitions")
    assert (refused.returncode, partitions()) == (2, 4)
    assert "mentions (4 -> 6)" in refused.stderr
    assert "cannot be undone" in refused.stderr
    assert "--yes" in refused.stderr
    assert topics(grown, "--add-partitions", "--dry-run").returncode == 0
    code, shown = answered(grown, b"n\n", "--add-partitions")
    assert (code, partitions()) == (130, 4)
    assert "cannot be undone" in shown
    code, shown = answered(grown, b"y\n", "--add-partitions")
    assert (code, partitions()) == (0, 6)
    assert "2 partitions added: 6 partitions" in shown
    # nothing is left to add, and nothing is asked
    assert topics(grown, "--add-partitions").returncode == 0
    again = topics(settings.model_copy(update={"topic_partitions": 7}), "--add-partitions", "--yes")
    assert (again.returncode, partitions()) == (0, 7)


@pytest.mark.parametrize("arguments", [[], ["--dry-run"]])
def test_a_broker_that_is_away_is_waited_for_and_named(make_settings: MakeSettings, arguments: list[str]) -> None:
    with socket.socket() as silent:
        silent.bind((LOOPBACK, 0))
        silent.listen(5)
        address = f"{LOOPBACK}:{silent.getsockname()[1]}"
        done = topics(make_settings(kafka_brokers=address, connect_timeout_s=3.0), *arguments)
    assert done.returncode == 3
    assert f"waiting for Kafka at {address} (up to 3 s)" in done.stderr.splitlines()[0]
