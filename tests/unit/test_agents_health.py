"""The health verdict on a clock that can be set, and the pages over real HTTP."""

import json
import socket
import urllib.error
import urllib.request
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from agents.health import Monitor, serve
from agents.membership import positions
from agents.outside import Outside
from agents.probes import STALE_S, Probe
from agents.progress import Position
from agents.verdict import HealthPolicy
from pipeline.errors import SettingsError

SAMPLE_STALE_S = HealthPolicy().sample_s


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Service:
    """A dependency that answers or not."""

    def __init__(self) -> None:
        self.answers = True

    def __call__(self) -> None:
        if not self.answers:
            raise TimeoutError("no answer")


class Worker:
    """A monitor with everything well; time passes only in :meth:`after`."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.kafka = Service()
        self.beating = True
        self.probe = Probe("kafka", self.kafka, self.clock)
        self.positions: list[Position] | None = [Position("mentions", 0, 5, 5, 5)]
        self.outside = Outside(self.clock)
        self.dumps = 0
        self.monitor = Monitor(
            "language",
            [self.probe],
            self.read,
            outside=self.outside,
            stacks=self.dump,
            policy=HealthPolicy(stalled_s=30, adrift_s=45),
            clock=self.clock,
        )
        self.broken: Exception | None = None
        self.after(1)

    def dump(self) -> None:
        self.dumps += 1

    def own(self) -> dict[str, float]:
        """Illnesses and for how long nothing outside can be to blame."""
        return {i.what: i.own_age_s for i in self.monitor.illnesses()}

    def read(self) -> list[Position] | None:
        if self.broken is not None:
            raise self.broken
        return self.positions

    def after(self, seconds: float) -> tuple[int, list[str]]:
        """Let time pass as the threads would live through it."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.now += min(1.0, until - self.clock.now)
            self.probe.ask()
            if self.beating:
                self.monitor.beat()
            self.monitor.sample()
        code, body = self.monitor.health()
        return code, body["problems"]


def test_a_worker_that_is_well() -> None:
    assert Worker().after(100) == (200, [])


def test_a_committed_offset_beyond_the_end_of_the_log_is_a_problem_although_the_lag_is_0() -> None:
    worker = Worker()
    worker.positions = [Position("mentions", 0, 177, 19, 177)]
    code, problems = worker.after(1)
    assert code == 503
    assert "mentions/0: offset 177 is committed, beyond the log's end 19" in problems[0]


def test_a_look_at_the_offsets_that_fails_is_no_end_of_looking() -> None:
    worker = Worker()
    counted = REGISTRY.get_sample_value("babelwatch_monitor_errors_total", {"role": "language"}) or 0.0
    worker.broken = AttributeError("'NoneType' object has no attribute 'generation'")
    assert worker.after(SAMPLE_STALE_S - 2)[0] == 200, "one that failed is no outage"
    code, problems = worker.after(4)
    assert code == 503
    assert problems == [
        "monitor: no offsets read for 10 s (AttributeError: 'NoneType' object has no attribute 'generation')"
    ]
    now = REGISTRY.get_sample_value("babelwatch_monitor_errors_total", {"role": "language"})
    assert now == counted + SAMPLE_STALE_S + 2
    worker.broken = None
    assert worker.after(1) == (200, [])


def test_a_consumer_that_is_starting_is_no_member() -> None:
    consumer = SimpleNamespace(_coordinator=None)
    app = SimpleNamespace(_consumer=SimpleNamespace(_thread=SimpleNamespace(_consumer=consumer)))
    assert positions(app) is None


def test_a_service_that_stops_answering_shows_within_ten_seconds_and_recovers() -> None:
    worker = Worker()
    worker.kafka.answers = False
    assert worker.after(STALE_S - 1)[0] == 200, "one slow answer is no outage"
    code, problems = worker.after(3)
    assert code == 503
    assert problems == ["kafka: no answer for 9 s (TimeoutError: no answer)"]
    worker.kafka.answers = True
    assert worker.after(1) == (200, [])


def test_a_service_that_never_answered() -> None:
    worker = Worker()
    worker.probe._answered = None
    worker.kafka.answers = False
    assert worker.after(1) == (503, ["kafka: never answered (TimeoutError: no answer)"])


def test_a_probe_tells_when_its_service_is_back() -> None:
    service, back = Service(), []
    probe = Probe("kafka", service, Clock(), recovered=lambda: back.append(1))
    probe.ask()
    probe.ask()
    assert back == [], "the first answer is no recovery"
    service.answers = False
    probe.ask()
    probe.ask()
    service.answers = True
    probe.ask()
    probe.ask()
    assert back == [1]


def test_waiting_messages_without_progress() -> None:
    worker = Worker()
    worker.positions = [Position("mentions", 0, 5, 9, 9)]
    assert worker.after(30)[0] == 200
    code, problems = worker.after(5)
    assert code == 503
    assert "mentions/0: 4 messages wait" in problems[0]
    worker.positions = [Position("mentions", 0, 6, 9, 9)]
    assert worker.after(1)[0] == 200, "it moved"


def test_no_messages_wait_is_no_stall() -> None:
    assert Worker().after(1000)[0] == 200


def test_a_worker_that_lost_its_group() -> None:
    worker = Worker()
    worker.positions = None
    assert worker.after(40)[0] == 200, "a rebalance takes its time"
    code, problems = worker.after(10)
    assert (code, problems) == (503, ["consumer group: no member for 50 s"])


def test_a_blocked_event_loop() -> None:
    worker = Worker()
    worker.beating = False
    code, problems = worker.after(9)
    assert (code, problems) == (503, ["event loop: blocked for 9 s"])
    assert worker.own() == {"event_loop": 9}
    worker.kafka.answers = False
    worker.after(20)
    assert worker.own()["event_loop"] == 29, "no service can be to blame for that"
    assert worker.dumps == 1, "where it hangs is written down once"


def test_a_worker_that_starts_is_no_blocked_one() -> None:
    worker = Worker()
    worker.monitor = Monitor("sentiment", [worker.probe], worker.read, clock=worker.clock)
    worker.beating, worker.positions = False, None
    assert worker.after(50) == (503, ["starting for 50 s"])
    assert worker.own() == {"start": 50}
    assert worker.monitor.status()["starting"]
    worker.kafka.answers = False
    worker.after(20)
    assert worker.own()["start"] == 0, "it waits for Kafka"
    worker.kafka.answers = worker.beating = True
    assert worker.after(15) == (200, []), "from now on it joins its group"


def test_an_outage_is_not_the_workers_own_illness() -> None:
    worker = Worker()
    worker.positions = [Position("mentions", 0, 5, 9, 9)]
    worker.kafka.answers = False
    worker.after(100)
    assert worker.own() == {"stalled": 0}
    worker.kafka.answers = True
    code, problems = worker.after(10)
    assert code == 503, "it has still to show that it goes on"
    assert "4 messages wait" in problems[0]
    assert worker.own()["stalled"] == pytest.approx(10, abs=1.01)


def test_a_service_that_answers_but_takes_no_batch_is_not_the_workers_own_illness() -> None:
    worker = Worker()
    worker.positions = [Position("mentions", 0, 5, 9, 9)]
    with worker.outside.waits("ClickHouse: too many parts", 300):
        code, problems = worker.after(100)
        assert code == 503
        assert "(waits for ClickHouse: too many parts)" in problems[0]
        assert worker.own() == {"stalled": 0}
    worker.after(5)
    with worker.outside.waits("ClickHouse: a batch is being written", 30):
        worker.after(31)
        assert worker.own()["stalled"] == 1, "what takes longer than it ever may hangs in the worker"
        assert worker.outside.what() == ""


def test_progress_has_an_age_also_when_nothing_waits() -> None:
    worker = Worker()
    worker.after(20)
    status = worker.monitor.status()["partitions"][0]
    assert (status["committed_age_s"], status["progress_age_s"]) == (0, 20)
    worker.positions = [Position("mentions", 0, 6, 6, 6)]
    worker.after(1)
    assert worker.monitor.status()["partitions"][0]["progress_age_s"] == 0
    value = REGISTRY.get_sample_value(
        "babelwatch_progress_age_seconds", {"role": "language", "topic": "mentions", "partition": "0"}
    )
    assert value == 0


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_pages() -> None:
    worker = Worker()
    worker.monitor.extra["model"] = "baseline"
    worker.positions = [Position("mentions", 3, 5, 9, 9)]
    worker.after(2)
    server, address = serve(worker.monitor, "127.0.0.1", 0)
    try:
        code, text = get(f"{address}/health")
        health = json.loads(text)
        assert (code, health["healthy"], health["dependencies"]["kafka"]["up"]) == (200, True, True)
        _, text = get(f"{address}/status")
        status = json.loads(text)
        assert (status["role"], status["model"], status["partitions"][0]["lag"]) == ("language", "baseline", 4)
        assert status["rss_bytes"] > 10_000_000
        _, metrics = get(f"{address}/metrics")
        assert 'babelwatch_lag_messages{partition="3",role="language",topic="mentions"} 4.0' in metrics
        assert (
            'babelwatch_committed_offset_age_seconds{partition="3",role="language",topic="mentions"} 1.0' in metrics
            or 'babelwatch_committed_offset_age_seconds{partition="3",role="language",topic="mentions"} 2.0' in metrics
        )
        assert "process_resident_memory_bytes" in metrics
        assert get(f"{address}/secrets")[0] == 404
        worker.kafka.answers = False
        worker.after(10)
        assert get(f"{address}/health")[0] == 503
        worker.positions = []
        worker.after(1)
        assert 'babelwatch_lag_messages{partition="3",role="language"' not in get(f"{address}/metrics")[1]
    finally:
        server.shutdown()
        server.server_close()


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SettingsError, match="--web-port"):
            serve(Worker().monitor, "127.0.0.1", taken.getsockname()[1])
