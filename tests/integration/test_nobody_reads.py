"""`status` and `doctor` while messages wait and nobody reads them; and beside the stack of another broker."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer

from pipeline.consumption import unread
from pipeline.doctor import services
from pipeline.doctor.finding import Level
from pipeline.embedded.files import Run, WorkerRun
from pipeline.embedded.ports import free_port
from pipeline.embedded.processes import identity
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.client import client_options
from pipeline.kafka.members import members
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.topics import GROUPS, MENTIONS
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from pipeline.store.migrations import migrate
from schemas.events import Mention
from tests.integration.store_support import NOW
from tests.integration.worker_process import command_json, environment_of, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def settings(kafka: str, clickhouse_url: str, make_settings: Callable[..., Settings]) -> Settings:
    """A broker and tables; no worker runs."""
    made = make_settings(kafka_brokers=kafka, clickhouse_url=clickhouse_url)
    ensure_topics(made)
    migrate(clickhouse_url)
    return made


def send(settings: Settings, count: int) -> None:
    with MentionProducer(settings) as producer:
        for number in range(count):
            producer.send(Mention(source="unread", id=f"m{number}", text="the Lumora is fine", published_at=NOW))
        producer.flush()


def babelwatch(settings: Settings, command: str) -> tuple[int, Any]:
    return command_json(settings, command, timeout_s=60)[:2]


def test_what_nobody_reads_is_a_problem(settings: Settings) -> None:
    code, status = babelwatch(settings, "status")
    assert (code, status["problems"]) == (0, []), "nothing waits"
    assert "elsewhere" in status["workers_note"]
    send(settings, 306)
    code, status = babelwatch(settings, "status")
    (problem,) = status["problems"]
    assert code == 3
    assert problem.startswith("language: 306 messages wait in mentions (partition 0, 1, 2, 3) and group ")
    assert problem.endswith("babelwatch-language has no member: does a language worker run and get on?")
    code, findings = babelwatch(settings, "doctor")
    (found,) = [finding for finding in findings if finding["check"] == "consumers"]
    assert code == 1
    assert (found["level"], found["found"]) == ("fail", problem)
    assert "babelwatch worker" in found["remedy"]


@pytest.mark.apache
def test_a_member_that_commits_is_well_and_one_that_does_not_is_named(
    kafka_apache: str, make_settings: Callable[..., Settings]
) -> None:
    """Not on the embedded broker, where kafka-python's consumer waits up to 20 s for answers to its group requests."""
    settings = make_settings(kafka_brokers=kafka_apache)
    ensure_topics(settings)
    send(settings, 200)
    consumer = KafkaConsumer(
        MENTIONS,
        **client_options(settings),
        group_id=GROUPS["language"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    enough, commits = threading.Event(), threading.Event()

    def read() -> None:
        while not enough.is_set():
            consumer.poll(timeout_ms=20)
            if commits.is_set():
                consumer.commit()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        group = GROUPS["language"]
        wait_until("it is a member", lambda: members(settings, [group]).get(group) == 1, 30)
        with OffsetReader(settings) as reader:

            def problems(still_s: float) -> list[str]:
                return unread(reader.lag(), reader.lag, lambda groups: members(settings, groups), still_s=still_s)

            (problem,) = problems(1.0)
            assert "(partition 0, 1, 2, 3) and nothing was committed for " in problem
            commits.set()
            assert problems(30.0) == []
    finally:
        enough.set()
        thread.join(30)
        consumer.close(autocommit=False)
    # A member whose goodbye did not arrive counts until its session has expired (45 s).
    gone = {group: 0, "nobody": 0}
    wait_until("it has left", lambda: members(settings, [group, "nobody"]) == gone, 60)


def test_the_stack_of_another_broker_says_nothing_of_this_one(settings: Settings) -> None:
    pid, away = os.getpid(), f"127.0.0.1:{free_port()}"
    page = f"http://{away}"
    Path(settings.data_dir).mkdir()
    run = Run(
        pid=pid,
        identity=identity(pid) or "",
        started_at="2026-01-01T00:00:00+00:00",
        kafka_brokers=away,
        kafka_embedded=True,
        clickhouse_url="clickhouse://u:p@127.0.0.1:1/other",
        clickhouse_embedded=True,
        clickhouse_http_url="",
        api_token="t",
        author_key="k",
        dashboard_url=page,
        dashboard_port=1,
        processes={"language": pid},
        workers={"language": WorkerRun("language", pid, page)},
        others={"dashboard": WorkerRun("dashboard", pid, page, state="failed")},
    )
    run.write(settings.data_dir)
    code, status = babelwatch(settings, "status")
    assert (code, status["workers"], status["problems"]) == (0, [], [])
    assert status["notices"] == [status["workers_note"]]
    assert "another one" in status["workers_note"]
    assert set(status["services"]) == {"kafka", "clickhouse"}
    assert not status["services"]["kafka"]["embedded"]
    assert "embedded" not in status["services"]["clickhouse"]
    shown = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "status"],
        env=environment_of(settings),
        capture_output=True,
        check=False,
        text=True,
    )
    assert "the stack on this machine is another one" in " ".join(shown.stdout.split())
    _, findings = babelwatch(settings, "doctor")
    (stack,) = [finding for finding in findings if finding["check"] == "stack"]
    assert stack["level"] == "skip"
    assert away in stack["found"]


def test_the_doctor_says_that_nothing_waits(settings: Settings) -> None:
    found = {finding.check: finding for finding in services.kafka(settings)}["consumers"]
    assert (found.level, found.found) == (Level.OK, "no message waits")
