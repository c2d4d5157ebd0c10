"""``babelwatch rescore``: judge stored mentions again; every count follows."""

import os
import signal
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli.dead import parse_since
from pipeline.cli.options import accept_error, given
from pipeline.cli.rescore_report import Line, say_plan, say_result
from pipeline.errors import InputError
from pipeline.local import discover
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.store.rescore_rows import Selection, Target

ANSWER_S: Final = 10.0
RATE: Final = 200.0
BESIDE_LIVE: Final = 10
"""Added to this process's niceness: live workers of the same machine come first."""


@click.command(
    epilog="Exit codes: 0 done; 2 arguments; 3 ClickHouse or Kafka does not answer; 6 the model; 12 some mentions "
    "remain; 130 interrupted. Run it again to go on."
)
@click.option("--since", metavar="TIME", help="Published since: 30m, 2h, 7d, or a time like 2026-01-31T12:00.")
@click.option("--until", metavar="TIME", help="Published before.")
@click.option("--brand", metavar="ID", default="", help="Only mentions of this brand.")
@click.option("--language", metavar="TAG", default="", help="Only of this language, BCP 47.")
@click.option("--tenant", metavar="NAME", default="", help="Only of this tenant; without it, of all.")
@click.option("--model", metavar="NAME|PATH", help="By this model; without it, the one that `model use` has chosen.")
@click.option("--rule-only", is_flag=True, help="Only what the model has read before, from stored log-probabilities.")
@click.option(
    "--rate", type=click.FloatRange(0), default=RATE, show_default=True, help="Mentions per second; 0: no limit."
)
@click.option("--dry-run", is_flag=True, help="Say what would be judged, and change nothing.")
@accept_error
def command(
    since: str | None,
    until: str | None,
    brand: str,
    language: str,
    tenant: str,
    model: str | None,
    rule_only: bool,
    rate: float,
    dry_run: bool,
    accept_error: float | None,
) -> None:
    """Judge stored mentions again, with the chosen model or another one; charts and counts follow.

    Only mentions whose model or rule is another are judged, so a second run finds nothing to do, and a run that was
    stopped or killed is continued by running it again. Edits, deletions and corrections win, whenever they come.

    \b
    babelwatch rescore --dry-run
    babelwatch rescore --since 7d --rate 100
    babelwatch rescore --rule-only
    """
    now = datetime.now(UTC)
    settings = discover(load_settings(**given(accept_error=accept_error)))
    settings.require_clickhouse()
    selection = replace(_window(since, until, now), brand=brand, language=language, tenant=tenant)
    path = _folder(model, settings)
    done = _run(path, settings, selection, rule_only, rate, dry_run, check_workers=model is None)
    if done:
        raise SystemExit(done)


def _window(since: str | None, until: str | None, now: datetime) -> "Selection":
    from pipeline.store.rescore_rows import ALWAYS, Selection

    begin = ALWAYS[0] if since is None else _millis(parse_since(since, now))
    end = ALWAYS[1] if until is None else _millis(parse_since(until, now, "--until"))
    if begin >= end:
        raise InputError("--since must be before --until")
    return Selection(begin, end)


def _millis(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _folder(model: str | None, settings: Settings) -> Path:
    """The model's folder on this machine. Raises ModelError, BrokerUnavailable."""
    from pipeline.kafka.admin import ensure_topics
    from pipeline.kafka.serving import read_choice
    from pipeline.sentiment.installed import find, locate

    if model is not None:
        return find(model, settings)
    if "model_path" in settings.model_fields_set or settings.kafka_brokers is None:
        return settings.model_path
    ensure_topics(settings)
    choice = read_choice(settings, ANSWER_S)
    if choice is None:
        return settings.model_path
    return locate(choice.fingerprint, choice.name, choice.path, settings)


def _run(
    path: Path,
    settings: Settings,
    selection: "Selection",
    rule_only: bool,
    rate: float,
    dry_run: bool,
    *,
    check_workers: bool,
) -> int:
    """Return the exit code."""
    from pipeline.rescore import Patience, Rescore
    from pipeline.sentiment.folder import ModelFolder
    from pipeline.sentiment.installed import load_proved
    from pipeline.sentiment.rule import DecisionRule
    from pipeline.store.client import connect, wait_for
    from pipeline.store.migrations import migrate
    from pipeline.store.rescore import RescoreStore
    from pipeline.store.rescore_rows import Target

    folder = ModelFolder(path)
    rule = DecisionRule(folder.facts.rule, settings.accept_error)
    target = Target(folder.version, rule.name, folder.facts.rule.name)
    if check_workers and settings.kafka_brokers is not None:
        _same_as_workers(target, settings)
    url = settings.require_clickhouse()
    wait_for(url, settings.connect_timeout_s)
    migrate(url, cluster=settings.clickhouse_cluster)
    store = RescoreStore(connect(url, timeout_s=300))
    say_plan(store.survey(selection, target), target, rate, rule_only)
    if dry_run:
        click.echo("nothing was changed (--dry-run)")
        return 0
    os.nice(BESIDE_LIVE)
    stop = threading.Event()
    line = Line()
    run = Rescore(
        store,
        target,
        rule,
        selection,
        None if rule_only else lambda: load_proved(path, settings),
        rate=rate,
        tell=line.show,
        stopping=stop.is_set,
        patience=Patience(settings.connect_timeout_s),
    )

    def asked(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        after = run.run()
    finally:
        line.end()
        for number, handler in before.items():
            signal.signal(number, handler)
    return say_result(run.progress, after, rule_only, stopped=stop.is_set())


def _same_as_workers(target: "Target", settings: Settings) -> None:
    """Raise InputError when the workers judge by this model under another rule: they would undo each other's work."""
    from pipeline.kafka.serving import read_reports

    for seen in read_reports(settings, ANSWER_S).values():
        if seen.live and seen.report.model == target.model and seen.report.rule != target.rule:
            raise InputError(
                f"worker {seen.report.worker} judges by rule {seen.report.rule}, this command would by {target.rule}: "
                "give the same --accept-error (BABELWATCH_ACCEPT_ERROR), or name the model with --model"
            )
