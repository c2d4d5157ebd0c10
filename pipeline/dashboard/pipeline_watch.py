"""The operator's view: sampled in the background, shared by all who look, and never waiting for what it looks at."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, Final, Literal

from pipeline import metrics
from pipeline.dashboard.looks import ANSWER_S, Behind, ClickHouseLook, KafkaLook, Stored
from pipeline.dashboard.models_pipeline import PartitionState, Pipeline, ServiceState, TopicState, WorkerState
from pipeline.dashboard.sampler import Sample, Sampler
from pipeline.embedded.files import Run
from pipeline.problems import (
    STILL_S,
    hidden_workers,
    nothing_committed,
    process_problem,
    restart_notices,
    standing_still,
    worker_problem,
)
from pipeline.settings import Settings
from pipeline.store.client import Address
from pipeline.workers_state import workers_state

EVERY_S: Final = 3.0
"""A wedged worker has to be on the page within 30 s: it is named after 22 s at most, and 3 s each for this and for the
page that asks."""
WORKER_ANSWER_S: Final = 2.0
STALE_S: Final = 15.0
"""Without a new sample for so long the old one says nothing any more: three looks, and the longest answer."""
State = Literal["looking", "well", "ill"]


@dataclass(frozen=True)
class Local:
    """The stack on this machine; ``note`` says why its workers cannot be seen."""

    note: str
    workers: list[dict[str, Any]]
    others: list[dict[str, Any]]


class PipelineWatch:
    """``start``, then ``view`` whenever somebody asks; ``stop`` at the end."""

    def __init__(self, settings: Settings, *, every_s: float = EVERY_S, clock: Callable[[], float] = time.time) -> None:
        """Raises SettingsError without ClickHouse's address."""
        self._settings = settings
        self._clock = clock
        self._kafka_look = KafkaLook(settings)
        clickhouse = ClickHouseLook(settings, lambda: self._kafka_look.incarnation)
        self._local: Sampler[Local] = Sampler("workers", self._look_here, every_s, self._measure)
        self._kafka: Sampler[list[Behind]] = Sampler("kafka", self._kafka_look, every_s, self._measure)
        self._clickhouse: Sampler[Stored] = Sampler("clickhouse", clickhouse, every_s, self._measure)
        self._measuring = Lock()
        self._labels: set[tuple[str, str, str]] = set()

    def start(self) -> None:
        """Begin to look."""
        self._local.start()
        self._clickhouse.start()
        if self._settings.kafka_brokers:
            self._kafka.start()

    def stop(self) -> None:
        """Look no more."""
        for sampler in (self._local, self._kafka, self._clickhouse):
            sampler.stop()

    def view(self) -> Pipeline:
        """The newest state; never waits."""
        now = self._clock()
        local = self._local.sample
        here = local.answer if local is not None and local.answer is not None else Local("", [], [])
        behind = self._kafka.sample.answer if self._kafka.sample is not None else None
        stored = self._clickhouse.sample.answer if self._clickhouse.sample is not None else None
        workers = [_worker(worker) for worker in here.workers]
        topics = _topics(behind or [])
        services = self._services(now)
        problems = [f"{s.name}: {s.error}" for s in services if s.up is False]
        problems += [worker.problem for worker in workers if worker.problem]
        problems += [said for one in here.others if (said := process_problem(one["role"], one))]
        named = {worker.role for worker in workers if worker.problem}
        problems += [said for topic in topics if topic.role not in named and (said := _standing_still(topic))]
        notices = restart_notices([*here.workers, *here.others], now)
        if stored is not None:
            problems += stored.problems
            notices += stored.notices
        if not self._settings.kafka_brokers:
            notices.append("KAFKA_BROKERS is not set for this dashboard: lag cannot be seen from here")
        times = [s.at for s in (local, self._kafka.sample, self._clickhouse.sample) if s is not None]
        looked = local is not None and self._clickhouse.sample is not None and self._kafka_looked
        state: State = "ill" if problems else "well" if looked else "looking"
        return Pipeline(
            state=state,
            headline=_headline(state, problems, workers, topics, here.note),
            problems=problems,
            notices=notices,
            as_of=min(times, default=None),
            now=now,
            services=services,
            workers_visible=not here.note,
            workers_note=here.note,
            workers=workers,
            topics=topics,
            dead_letters=stored.dead_open if stored is not None else None,
            dead_reasons=stored.dead_reasons if stored is not None else {},
        )

    @property
    def _kafka_looked(self) -> bool:
        return self._kafka.sample is not None or not self._settings.kafka_brokers

    def _services(self, now: float) -> list[ServiceState]:
        settings = self._settings
        found = [
            _service("clickhouse", str(Address.of(settings.require_clickhouse())), self._clickhouse.sample, now),
        ]
        if settings.kafka_brokers:
            found.insert(0, _service("kafka", settings.kafka_brokers, self._kafka.sample, now))
        return found

    def _look_here(self) -> Local:
        run = Run.read(self._settings.data_dir)
        note = hidden_workers(None if run is None else run.kafka_brokers, self._settings.kafka_brokers)
        if run is None or note:
            return Local(note, [], [])
        return Local("", workers_state(run, WORKER_ANSWER_S), [asdict(one) for one in run.others.values()])

    def _measure(self) -> None:
        """Set the metrics: they have to say what the page says, also while nobody looks at it."""
        with self._measuring:
            view = self.view()
            metrics.PIPELINE_PROBLEMS.set(len(view.problems))
            metrics.PIPELINE_LOOKED_AT.set(view.as_of or 0)
            for worker in view.workers:
                metrics.WORKER_WELL.labels(worker.role).set(worker.well)
                metrics.WORKER_RESTARTS.labels(worker.role).set(worker.restarts)
                metrics.WORKER_CRASH_LOOPING.labels(worker.role).set(worker.state == "crash-looping")
            labels = set()
            for p in (p for topic in view.topics for p in topic.partitions):
                label = (p.role, p.topic, str(p.partition))
                labels.add(label)
                metrics.GROUP_LAG.labels(*label).set(p.lag)
                metrics.GROUP_COMMITTED_AGE.labels(*label).set(p.committed_age_s)
            for label in self._labels - labels:
                metrics.GROUP_LAG.remove(*label)
                metrics.GROUP_COMMITTED_AGE.remove(*label)
            self._labels = labels


def _service(name: str, address: str, sample: Sample[Any] | None, now: float) -> ServiceState:
    if sample is None:
        return ServiceState(name=name, up=None, address=address, error="")
    error = sample.error
    if now - sample.at > STALE_S + ANSWER_S:
        error = f"no answer for {now - sample.at:.0f} s"
    return ServiceState(name=name, up=not error, address=address, error=error)


def _worker(worker: dict[str, Any]) -> WorkerState:
    problem = worker_problem(worker)
    state = worker["state"]
    if worker["crash_looping"]:
        state = "crash-looping"
    elif state == "running" and problem:
        state = "starting" if worker.get("starting") else "ill"
    return WorkerState(
        **{name: worker[name] for name in ("role", "pid", "rss_bytes", "lag", "committed_age_s", "progress_age_s")},
        **{name: worker[name] for name in ("restarts", "ended", "ended_at", "words")},
        state=state,
        well=not problem,
        problem=problem,
    )


def _topics(behind: list[Behind]) -> list[TopicState]:
    found: dict[tuple[str, str], list[PartitionState]] = {}
    for one in behind:
        found.setdefault((one.role, one.topic), []).append(PartitionState(**asdict(one)))
    return [
        TopicState(
            role=role,
            topic=topic,
            messages=sum(p.end for p in partitions),
            lag=sum(p.lag for p in partitions),
            committed_age_s=max(p.committed_age_s for p in partitions),
            progress_age_s=min(p.progress_age_s for p in partitions),
            partitions=partitions,
        )
        for (role, topic), partitions in found.items()
    ]


def _standing_still(topic: TopicState) -> str:
    still = [p for p in topic.partitions if p.committed_age_s > STILL_S]
    if not still:
        return ""
    why = nothing_committed(max(p.committed_age_s for p in still))
    return standing_still(topic.role, topic.topic, {p.partition: p.lag for p in still}, why)


def _headline(
    state: State, problems: list[str], workers: list[WorkerState], topics: list[TopicState], note: str
) -> str:
    if state == "looking":
        return "pipeline: looking"
    if problems:
        return f"pipeline: {len(problems)} problem{'s' if len(problems) > 1 else ''}"
    who = "workers elsewhere" if note else f"{len(workers)} worker{'s' if len(workers) != 1 else ''}"
    lag = f", lag {sum(topic.lag for topic in topics):,}" if topics else ""
    return f"pipeline: well, {who}{lag}"
