"""One worker follows the choice of a model: on a real broker, with models that load at once."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from agents import model_swap
from agents.model_swap import ModelSwap
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.embedded.files import Run
from pipeline.embedded.processes import identity
from pipeline.embedded.remembered import FILE, remember, restore
from pipeline.errors import BrokerUnavailable, ModelError
from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.control import ControlWriter
from pipeline.kafka.serving import ModelChoice, ReportWatch, publish_choice, read_choice, read_reports
from pipeline.kafka.topics import MODEL
from pipeline.sentiment.folder import CARD, CONFIG
from pipeline.settings import Settings
from schemas.events import Judgement
from tests.integration.worker_process import wait_until

pytestmark = pytest.mark.embedded
LIMIT_S = 60.0


class Light:
    """A model that is its name."""

    rule = "none"

    def __init__(self, name: str) -> None:
        self.name = name

    def judge(self, texts: Sequence[str], languages: Sequence[str]) -> list[Judgement]:
        return []

    def log_probabilities(self, texts: Sequence[str]) -> list[tuple[float, float, float]]:
        return []

    def decide(self, values: Any, languages: Any, mixes: Any = None) -> list[Judgement]:
        return []


def light_load(path: Path, settings: Settings) -> Light:
    name = json.loads((path / CONFIG).read_text(encoding="utf-8"))["babelwatch"]["name"]
    if name == "broken":
        raise ModelError("the folder is damaged")
    if name == "bug":
        raise ZeroDivisionError("oh")
    return Light(name)


def folder(place: Path, name: str, default: Path) -> Path:
    """A folder with the default's files but for the card, another name in its config.json: another fingerprint."""
    place.mkdir(parents=True)
    for file in default.iterdir():
        if file.name not in (CONFIG, CARD):
            (place / file.name).symlink_to(file)
    config = json.loads((default / CONFIG).read_text(encoding="utf-8"))
    config["babelwatch"]["name"] = name
    (place / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return place


def choice_of(path: Path, name: str | None = None, fingerprint: str | None = None) -> ModelChoice:
    return ModelChoice(
        id=hashlib.sha256(f"{path}{datetime.now(UTC)}".encode()).hexdigest()[:12],
        name=path.name,
        path=str(path),
        fingerprint=fingerprint or hashlib.sha256((path / CONFIG).read_bytes()).hexdigest(),
        model=name or path.name,
        rule="none",
        weights="w",
        chosen_at=datetime.now(UTC),
        chosen_by="test",
    )


class Worker:
    """What a sentiment worker has of a swap: the model in hand and what /status says."""

    def __init__(self, settings: Settings) -> None:
        self.told: dict[str, Any] = {}
        self.switched: list[str] = []
        self.hold = threading.Event()
        self.hold.set()
        self.swap = ModelSwap(settings, "http://127.0.0.1:1", load=light_load)
        self.model = self.swap.first()
        self.swap.follow(self._switch, self.told.update)

    def _switch(self, model: Any) -> None:
        self.hold.wait(LIMIT_S)
        self.model = model
        self.switched.append(model.name)

    def serves(self, name: str) -> None:
        wait_until(f"{name} serves", lambda: self.told.get("model") == name and self.model.name == name, LIMIT_S)


Start = Callable[..., Worker]


@pytest.fixture
def settings(kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path) -> Settings:
    found = make_settings(kafka_brokers=kafka_embedded, models_dir=tmp_path / "models")
    ensure_topics(found)
    return found


@pytest.fixture
def default(settings: Settings, tmp_path: Path) -> Path:
    return folder(tmp_path / "default", "default", settings.model_path)


@pytest.fixture
def start(settings: Settings, default: Path) -> Iterator[Start]:
    running: list[Worker] = []

    def begin(**overrides: Any) -> Worker:
        # not "set" by anybody: a copy leaves model_fields_set alone only when it is told so
        own = settings.model_copy(update={"model_path": default, **overrides})
        if not overrides.get("model_path"):
            own.model_fields_set.discard("model_path")
        running.append(Worker(own))
        return running[-1]

    yield begin
    for worker in running:
        worker.swap.stop()


def metric(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_workers_follow_each_choice_in_order(start: Start, settings: Settings, tmp_path: Path, default: Path) -> None:
    one, two = start(), start()
    assert one.model.name == "default"
    for name in ("first", "second", "third"):
        folder(settings.models_dir / name, name, default)
        publish_choice(settings, choice_of(settings.models_dir / name), 30)
        one.serves(name)
        two.serves(name)
    assert one.switched == two.switched == ["first", "second", "third"]
    assert metric("babelwatch_model_serving", model="third", rule="none") == 1
    assert REGISTRY.get_sample_value("babelwatch_model_serving", {"model": "second", "rule": "none"}) is None
    assert one.told["model_state"] == "serving"
    assert one.told["model_chosen"]["model"] == "third"


def test_a_worker_that_starts_takes_the_chosen_model_at_once(start: Start, settings: Settings, default: Path) -> None:
    folder(settings.models_dir / "next", "next", default)
    publish_choice(settings, choice_of(settings.models_dir / "next"), 30)
    late = start()
    assert late.model.name == "next"
    assert late.switched == []


def test_what_is_not_here_is_refused_and_taken_when_it_comes(
    start: Start,
    settings: Settings,
    default: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(model_swap, "RETRY_S", 0.5)
    refused = metric("babelwatch_model_swaps_total", outcome="refused")
    worker = start()
    elsewhere = folder(tmp_path / "elsewhere" / "far", "far", default)
    choice = choice_of(elsewhere)
    moved = elsewhere.rename(tmp_path / "hidden")
    with caplog.at_level(logging.ERROR, "agents"):
        publish_choice(settings, choice, 30)
        wait_until("it is refused", lambda: worker.told.get("model_state") == "refused", LIMIT_S)
    assert worker.model.name == "default"
    (warning,) = worker.swap.warnings()
    assert "goes on with default" in warning
    assert "not on this machine" in warning
    assert f"copy it to {elsewhere}" in warning
    assert "not on this machine" in caplog.text
    assert metric("babelwatch_model_swaps_total", outcome="refused") == refused + 1
    assert metric("babelwatch_model_behind") == 1
    (seen,) = read_reports(settings, 30).values()
    assert (seen.report.state, seen.report.choice, seen.report.model) == ("refused", choice.id, "default")
    assert "not on this machine" in seen.report.reason

    settings.models_dir.mkdir(exist_ok=True)
    moved.rename(settings.models_dir / "renamed")
    worker.serves("far")
    assert worker.swap.warnings() == []
    assert metric("babelwatch_model_behind") == 0
    assert metric("babelwatch_model_swaps_total", outcome="refused") == refused + 1, "counted once, not at each try"


@pytest.mark.parametrize(("name", "why"), [("broken", "the folder is damaged"), ("bug", "ZeroDivisionError: oh")])
def test_a_bad_folder_is_refused_and_a_good_one_after_it_is_taken(
    start: Start, settings: Settings, default: Path, name: str, why: str
) -> None:
    worker = start()
    folder(settings.models_dir / name, name, default)
    publish_choice(settings, choice_of(settings.models_dir / name), 30)
    wait_until("it is refused", lambda: worker.told.get("model_state") == "refused", LIMIT_S)
    assert why in worker.swap.warnings()[0]
    assert worker.switched == []
    folder(settings.models_dir / "good", "good", default)
    publish_choice(settings, choice_of(settings.models_dir / "good"), 30)
    worker.serves("good")
    assert worker.swap.warnings() == []


def test_a_worker_that_starts_with_a_bad_choice_takes_its_own_model(
    start: Start, settings: Settings, default: Path
) -> None:
    folder(settings.models_dir / "broken", "broken", default)
    publish_choice(settings, choice_of(settings.models_dir / "broken"), 30)
    worker = start()
    assert worker.model.name == "default"
    assert "goes on with default" in worker.swap.warnings()[0]


def test_a_model_that_is_set_wins_and_says_so(start: Start, settings: Settings, default: Path, tmp_path: Path) -> None:
    own = folder(tmp_path / "own", "own", default)
    worker = start(model_path=own)
    folder(settings.models_dir / "other", "other", default)
    publish_choice(settings, choice_of(settings.models_dir / "other"), 30)
    wait_until("it has seen the choice", lambda: bool(worker.swap.warnings()), LIMIT_S)
    assert worker.model.name == "own"
    assert "because BABELWATCH_MODEL_PATH is set" in worker.swap.warnings()[0]
    wait_until(
        "it says so", lambda: any(s.report.state == "pinned" for s in read_reports(settings, 30).values()), LIMIT_S
    )


def test_rubbish_in_the_topic_is_counted_and_changes_nothing(start: Start, settings: Settings, default: Path) -> None:
    worker = start()
    before = metric("babelwatch_model_swaps_total", outcome="unreadable")
    with ControlWriter(settings, 30) as writer:
        writer.send(MODEL, b"sentiment", b'{"id": 7}', 30)
    wait_until(
        "it is counted", lambda: metric("babelwatch_model_swaps_total", outcome="unreadable") == before + 1, LIMIT_S
    )
    assert worker.model.name == "default"
    folder(settings.models_dir / "good", "good", default)
    publish_choice(settings, choice_of(settings.models_dir / "good"), 30)
    worker.serves("good")


def test_reports_say_who_runs_and_who_has_ended(start: Start, settings: Settings) -> None:
    one, two = start(), start()
    with ReportWatch(settings, 30) as watch:
        wait_until("both report", lambda: len(watch.live(0.2)) == 2, LIMIT_S)
        one.swap.stop()
        wait_until("one says that it ended", lambda: len(watch.live(0.2)) == 1, LIMIT_S)
    assert two.told["model_state"] == "serving"


def test_an_embedded_broker_forgets_and_its_stack_remembers(
    make_settings: Callable[..., Settings], tmp_path: Path, default: Path
) -> None:
    data = tmp_path / "stack"
    data.mkdir()
    choice = choice_of(default)
    with EmbeddedBroker(tmp_path / "one") as broker:
        settings = make_settings(kafka_brokers=broker.address, data_dir=data)
        ensure_topics(settings)
        assert not remember(settings, choice), "no stack runs here: somebody else's broker keeps its topics"
        _run_file(data, broker.address)
        publish_choice(settings, choice, 30)
        assert remember(settings, choice)
    with EmbeddedBroker(tmp_path / "two") as broker:
        settings = make_settings(kafka_brokers=broker.address, data_dir=data)
        ensure_topics(settings)
        assert read_choice(settings, 30) is None
        assert restore(data, settings) == choice
        assert read_choice(settings, 30) == choice
        (data / FILE).write_text("{", encoding="utf-8")
        assert restore(data, settings) is None
        (data / FILE).unlink()
        assert restore(data, settings) is None


def _run_file(data: Path, address: str) -> None:
    import os

    Run(
        pid=os.getpid(),
        identity=identity(os.getpid()) or "",
        started_at="",
        kafka_brokers=address,
        kafka_embedded=True,
        clickhouse_url="",
        clickhouse_embedded=True,
        clickhouse_http_url="",
        api_token="",
        author_key="",
        dashboard_url="",
        dashboard_port=0,
        processes={},
        workers={},
    ).write(data)


def test_no_broker_no_choice(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(kafka_brokers="127.0.0.1:1")
    for ask in (read_choice, read_reports):
        with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1"):
            ask(settings, 1.0)
