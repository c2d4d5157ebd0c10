"""The words for whoever is on call, and what Kafka alone tells about a role that stands still."""

from typing import Any

import pytest
from pydantic import SecretStr

from pipeline.dashboard.looks import Standing
from pipeline.dashboard.pipeline_watch import PipelineWatch
from pipeline.dashboard.sampler import Sampler
from pipeline.errors import BrokerUnavailable
from pipeline.kafka.offsets import PartitionLag
from pipeline.problems import process_problem, restart_notices, worker_problem
from pipeline.settings import Settings

WELL: dict[str, Any] = {
    "role": "sentiment",
    "state": "running",
    "healthy": True,
    "problems": [],
    "restarts": 0,
    "ended": "",
    "ended_at": None,
    "words": "",
    "seen": "",
    "crash_looping": False,
}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, ""),
        (
            {"healthy": False, "problems": ["event loop: blocked for 9 s"]},
            "worker sentiment: event loop: blocked for 9 s",
        ),
        ({"healthy": False, "seen": "its pages do not answer for 8 s"}, "its pages do not answer for 8 s"),
        (
            {"healthy": False, "starting": True, "problems": ["starting for 4 s"], "ended": "wedged: it hung"},
            "worker sentiment: starting for 4 s, after it ended (wedged: it hung)",
        ),
        (
            {"state": "wedged", "seen": "its pages do not answer for 13 s"},
            "worker sentiment: wedged: its pages do not answer for 13 s; it is ended and started again",
        ),
        ({"state": "restarting", "ended": "killed by SIGKILL"}, "worker sentiment: restarting (killed by SIGKILL)"),
        (
            {"state": "failed", "ended": "exit code 6", "words": "a\nno such model\n"},
            "worker sentiment: failed (exit code 6), not started again: no such model; see logs/sentiment.log",
        ),
        (
            {
                "crash_looping": True,
                "restarts": 4,
                "ended": "exit code 1",
                "ended_at": 3600.0,
                "words": "it broke",
                "state": "restarting",
            },
            "worker sentiment: crash-looping: 4 restarts, last end 01:00:00 UTC (exit code 1): it broke",
        ),
    ],
)
def test_what_is_said_of_a_worker(state: dict[str, Any], said: str) -> None:
    found = worker_problem(WELL | state)
    assert said in found if said else found == ""


def test_a_process_that_runs_is_no_problem_of_up() -> None:
    assert process_problem("dashboard", WELL | {"healthy": False}) == ""


def test_a_restart_is_told_for_an_hour() -> None:
    again = WELL | {"restarts": 1, "ended": "exit code 1", "ended_at": 1000.0}
    assert restart_notices([again], 1100) == ["sentiment was started again at 00:16:40 UTC (exit code 1)"]
    assert restart_notices([again], 5000) == []
    assert restart_notices([again | {"crash_looping": True}], 1100) == [], "that is a problem already"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def lag(committed: int | None, end: int, behind: int) -> list[PartitionLag]:
    return [PartitionLag("language", "mentions", 0, end, committed, behind)]


def test_standing_still_is_seen_from_committed_offsets_over_time() -> None:
    clock = Clock()
    standing = Standing(clock)
    standing.update(lag(5, 9, 4))
    clock.now += 30
    (one,) = standing.update(lag(5, 30, 25))
    assert (one.role, one.lag, one.committed_age_s, one.progress_age_s) == ("language", 25, 30, 30)
    clock.now += 5
    (one,) = standing.update(lag(6, 30, 24))
    assert (one.committed_age_s, one.progress_age_s) == (0, 0)


def test_a_role_that_never_committed_stands_still_as_well() -> None:
    clock = Clock()
    standing = Standing(clock)
    standing.update(lag(None, 7, 7))
    clock.now += 30
    (one,) = standing.update(lag(None, 7, 7))
    assert (one.lag, one.committed_age_s) == (7, 30)


def test_the_view_names_a_role_that_stands_still_and_a_service_that_is_away(tmp_path: Any) -> None:
    clock = Clock()
    settings = Settings(
        kafka_brokers="k1:9092", clickhouse_url=SecretStr("clickhouse://u:secret@h:9000/d"), data_dir=tmp_path / "none"
    )
    watch = PipelineWatch(settings, clock=clock)
    assert watch.view().state == "looking"
    standing = Standing(clock)
    watch._kafka = Sampler("kafka", lambda: standing.update(lag(5, 9, 4)), 1, clock=clock)

    def away() -> Any:
        raise BrokerUnavailable("no answer")

    watch._clickhouse = Sampler("clickhouse", away, 1, clock=clock)
    watch._local = Sampler("workers", watch._look_here, 1, clock=clock)
    for sampler in (watch._kafka, watch._clickhouse, watch._local):
        sampler.ask()
    view = watch.view()
    assert (view.state, view.problems) == ("ill", ["clickhouse: no answer"])
    assert "secret" not in view.model_dump_json()
    clock.now += 21
    watch._kafka.ask()
    view = watch.view()
    assert view.headline == "pipeline: 2 problems"
    assert view.problems[1] == (
        "language: 4 messages wait in mentions (partition 0) and nothing was committed for 21 s: does a language "
        "worker run and get on?"
    )
    assert not view.workers_visible
    assert "not visible from here" in view.workers_note
    clock.now += 30
    assert "kafka: no answer for 30 s" in watch.view().problems, "the look itself hangs"
