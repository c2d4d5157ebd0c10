"""Puts one worker together: waits for its services, builds its stage, serves its pages, runs it until it is told."""

import gc
import logging
import logging.config
from collections.abc import Callable
from typing import Any, Final

from agents import health
from agents.app import attach, create_app, run
from agents.control import Control
from agents.identity import Identity
from agents.log_ends import LogEnds
from agents.logs import configuration
from agents.membership import positions
from agents.outbox import Outbox
from agents.policy import DeadLetterGuard, DeadLetterPolicy
from agents.probes import Probe, broker_question, clickhouse_question
from agents.quick import Rest
from pipeline.kafka.topics import DEAD, INPUT_TOPICS, SCORED
from pipeline.settings import Settings

log = logging.getLogger(__name__)

YOUNG_OBJECTS: Final = 50_000
"""So many new containers until the youngest are looked through; 700 by default, which is fifty messages."""
SINK_REST_MOST_S: Final = 1.0
"""A sink under load rests for as long as ClickHouse took, up to this; while what comes is late already, for this."""


def run_worker(role: str, settings: Settings, say: Callable[[str], object] = print) -> None:
    """Run ``role`` until SIGTERM or SIGINT; returns after a clean drain.

    Raises BrokerUnavailable, ClickHouseUnavailable, ClickHouseRefused, ModelError, SettingsError at the start (after
    retries with backoff where that can help), and afterwards whatever fatal error ended the worker.
    """
    from pipeline.kafka.admin import ensure_topics

    logging.config.dictConfig(configuration(settings.log_level))
    control = Control(role)
    app = create_app(role, settings)
    identity = Identity(settings, control)
    probes = [Probe("kafka", broker_question(settings), recovered=identity.check_in_background)]
    if role == "sink":
        probes.append(Probe("clickhouse", clickhouse_question(settings.require_clickhouse())))
    ends = LogEnds(role, settings, lambda: positions(app))
    monitor = health.Monitor(role, probes, ends, outside=control.outside)
    # The pages come first: a worker that waits for its services says so there.
    server, address = health.serve(monitor, settings.web_host, settings.web_port)
    monitor.start()
    ends.start()
    say(f"{role} worker: {address}/health {address}/metrics {address}/status")
    try:
        ensure_topics(settings)
        incarnation = identity.learn()
        monitor.extra |= {"incarnation": incarnation, "group": app.conf.id, "web": address}
        _STAGES[role](app, settings, control, incarnation, monitor)
        _settle_memory()
        run(app, control, settings.log_level, monitor.beat)
    finally:
        for end in control.at_end:
            end()
        ends.stop()
        monitor.stop()
        server.shutdown()
    say(f"{role} worker: drained and stopped")


def _settle_memory() -> None:
    """Let the garbage collector look at what a stream makes, not at modules and models, which stay.

    ``gc.freeze`` (Python's documentation; Instagram's use of it) takes what is there out of every collection, and a
    batch of a thousand messages is no reason for a full one: together 3.5% of the language stage's time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])


def _language(app: Any, settings: Settings, control: Control, incarnation: str, monitor: health.Monitor) -> None:  # noqa: ANN401
    from agents.language import LanguageStage
    from pipeline.brands import BrandsWatcher
    from pipeline.detect import Detector, Limits
    from pipeline.language import LanguageDetector
    from pipeline.source_fields import Bounds, Keeper

    secret = settings.author_key.get_secret_value().encode() if settings.author_key else None
    if secret is None:
        log.warning("BABELWATCH_AUTHOR_KEY is not set: author_key stays empty, so people cannot be counted")
    brands = BrandsWatcher(settings.brands_file)
    detector = Detector(
        LanguageDetector(settings.language_min_confidence),
        lambda: brands.matcher,
        limits=Limits.of(settings),
        author_secret=secret,
        keep_author_names=settings.keep_author_names,
        source_fields=Keeper(Bounds(settings.source_fields_bytes)),
    )
    guard = DeadLetterGuard(control.role, DeadLetterPolicy())
    stage = LanguageStage(detector, incarnation, Outbox(app, control), guard)
    attach(
        app,
        settings,
        control,
        INPUT_TOPICS["language"],
        stage,
        messages=settings.batch_messages,
        rest=Rest(settings.batch_within_s),
    )
    monitor.extra["brands_file"] = str(settings.brands_file)


def _sentiment(app: Any, settings: Settings, control: Control, incarnation: str, monitor: health.Monitor) -> None:  # noqa: ANN401
    from agents.model_swap import ModelSwap
    from agents.sentiment import SentimentStage
    from pipeline.sentiment.class_mix import MixTracker

    swap = ModelSwap(settings, str(monitor.extra["web"]))
    model = swap.first()
    guard = DeadLetterGuard(control.role, DeadLetterPolicy())
    mixes = MixTracker() if settings.class_mix == "on" else None
    stage = SentimentStage(model, incarnation, Outbox(app, control), guard, mixes=mixes)
    attach(
        app,
        settings,
        control,
        INPUT_TOPICS["sentiment"],
        stage,
        messages=settings.batch_messages,
        rest=Rest(settings.batch_within_s),
    )
    monitor.extra["class_mix"] = settings.class_mix
    monitor.warnings = swap.warnings
    swap.follow(stage.switch, monitor.extra.update)
    control.at_end.append(swap.stop)


def _sink(app: Any, settings: Settings, control: Control, incarnation: str, monitor: health.Monitor) -> None:  # noqa: ANN401
    from agents.ledger import LedgerThread
    from agents.sink import DeadSinkStage, SinkStage
    from pipeline.store.client import wait_for
    from pipeline.store.migrations import migrate

    url = settings.require_clickhouse()
    wait_for(url, settings.connect_timeout_s)
    migrate(url, cluster=settings.clickhouse_cluster)
    ledger = LedgerThread(settings, incarnation, lambda: positions(app))
    ledger.start()
    control.at_end.append(ledger.stop)
    guard = DeadLetterGuard(control.role, DeadLetterPolicy())
    mentions = SinkStage(url, incarnation, control, Outbox(app, control), guard)
    for topic, stage, late in (
        (SCORED, mentions, lambda: mentions.late),
        (DEAD, DeadSinkStage(url, incarnation, control), lambda: False),
    ):
        attach(
            app,
            settings,
            control,
            (topic,),
            stage,
            messages=settings.sink_batch_messages,
            rest=Rest(settings.sink_batch_within_s, SINK_REST_MOST_S),
            late=late,
        )


_STAGES: dict[str, Callable[[Any, Settings, Control, str, health.Monitor], None]] = {
    "language": _language,
    "sentiment": _sentiment,
    "sink": _sink,
}
