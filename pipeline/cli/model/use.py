"""``babelwatch model use``: another model for a pipeline that runs, without stopping it."""

import getpass
import json
import socket
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.errors import InputError, ModelNotTaken
from pipeline.local import discover
from pipeline.settings import Settings, load_settings
from pipeline.terminal import printable

if TYPE_CHECKING:
    from pipeline.kafka.serving import ModelChoice, Seen

ANSWER_S: Final = 10.0
WAIT_S: Final = 60.0


@click.command(
    epilog="Exit codes: 0 done; 2 settings; 3 Kafka does not answer; 6 the folder is no good, nothing changed; "
    "11 chosen, but a worker refused or has not said that it serves it."
)
@click.argument("model", metavar="PATH|NAME", required=False)
@click.option("--status", "show", is_flag=True, help="Show what is chosen, and what each worker serves.")
@click.option("--json", "as_json", is_flag=True, help="With --status: as JSON.")
@click.option(
    "--wait", "wait_s", type=float, default=WAIT_S, show_default=True, help="Seconds to wait for the workers; 0: none."
)
def command(model: str | None, show: bool, as_json: bool, wait_s: float) -> None:
    """Let every sentiment worker serve the model in PATH, or the shipped or installed one of that NAME.

    The folder is verified, loaded and tried first; nothing changes when it is no good. Each worker then loads it
    beside its own and switches between two batches: nothing is lost, nothing is judged twice. Workers on other machines
    take it from the same path, or from BABELWATCH_MODELS_DIR. Rows that are stored already keep their judgement until
    `babelwatch rescore`.

    \b
    babelwatch model use fast
    babelwatch model use ./my-model
    babelwatch model use --status
    """
    settings = discover(load_settings())
    settings.require_kafka()
    if show == (model is not None):
        raise InputError("give the model to use (a path or a name), or --status")
    if model is None:
        _status(settings, as_json)
        return
    choice = _verified(model, settings)
    _choose(choice, settings, wait_s)


def _verified(model: str, settings: Settings) -> "ModelChoice":
    """Everything that can be known before anything changes. Raises ModelError."""
    from pipeline.cli.terminal import unpacking
    from pipeline.kafka.serving import ModelChoice
    from pipeline.sentiment.cache import ensure_embeddings
    from pipeline.sentiment.folder import ModelFolder
    from pipeline.sentiment.installed import find, fingerprint, load_proved, weights_hash

    path = find(model, settings)
    began = time.monotonic()
    with unpacking() as progress:
        ensure_embeddings(settings.cache_dir, progress)
    loaded = load_proved(path, settings)
    folder = ModelFolder(path)
    click.echo(f"{path}: {loaded.name}, rule {loaded.rule}: files verified, loaded and tried")
    click.echo(f"(took {time.monotonic() - began:.1f} s)", err=True)
    return ModelChoice(
        id=uuid.uuid4().hex[:12],
        name=path.name,
        path=str(path),
        fingerprint=fingerprint(path),
        model=folder.version,
        rule=folder.facts.rule.name,
        weights=weights_hash(folder),
        chosen_at=datetime.now(UTC),
        chosen_by=f"{getpass.getuser()}@{socket.gethostname()}",
    )


def _choose(choice: "ModelChoice", settings: Settings, wait_s: float) -> None:
    from pipeline.embedded.remembered import remember
    from pipeline.kafka.admin import ensure_topics
    from pipeline.kafka.serving import ReportWatch, publish_choice, read_choice

    ensure_topics(settings)
    with ReportWatch(settings, ANSWER_S) as watch:
        before = read_choice(settings, ANSWER_S)
        known = {(seen.report.model, seen.report.weights) for seen in watch.live().values()}
        if before is not None:
            known.add((before.model, before.weights))
        others = {weights for version, weights in known if version == choice.model} - {choice.weights}
        if others:
            raise InputError(
                f"{choice.model} is the version of other weights, too ({', '.join(sorted(others))}; these are "
                f"{choice.weights}), and rows could not be told apart: give the model another name (babelwatch.name in "
                "config.json, or export it again)"
            )
        publish_choice(settings, choice, ANSWER_S)
        remember(settings, choice)
        click.echo(f"chosen at {settings.kafka_brokers}: {choice.model}")
        if wait_s > 0:
            _await(choice, watch, wait_s)


def _await(choice: "ModelChoice", watch: Any, wait_s: float) -> None:  # noqa: ANN401 - ReportWatch, imported late
    """Say what becomes of each worker. Raises ModelNotTaken."""
    deadline = time.monotonic() + wait_s
    said: set[str] = set()
    workers: dict[str, Seen] = watch.live()
    while time.monotonic() < deadline:
        for name, seen in workers.items():
            if name not in said and _acted(seen, choice):
                said.add(name)
                click.echo(_line(seen))
        if workers and said >= workers.keys():
            break
        if not workers and time.monotonic() > deadline - wait_s + 2:
            click.echo("no sentiment worker says that it runs: those that start will take it")
            return
        workers = watch.live(0.5)
    late = [seen for name, seen in workers.items() if name not in said]
    for seen in late:
        click.echo(f"{seen.report.worker}  has not said that it took it; it served {seen.report.model}")
    refused = [seen for name, seen in workers.items() if name in said and seen.report.state == "refused"]
    taken = [seen for seen in workers.values() if seen.report.fingerprint == choice.fingerprint]
    if refused or late or not taken:
        raise ModelNotTaken(
            f"{len(taken)} of {len(workers)} sentiment workers serve {choice.model}; the others go on with what they "
            "had. See `babelwatch model use --status`"
        )
    click.echo(f"{len(taken)} of {len(workers)} sentiment workers serve it")


def _acted(seen: "Seen", choice: "ModelChoice") -> bool:
    return seen.report.choice == choice.id and seen.report.state != "loading"


def _status(settings: Settings, as_json: bool) -> None:
    import msgspec

    from pipeline.kafka.admin import ensure_topics
    from pipeline.kafka.serving import read_choice, read_reports

    ensure_topics(settings)
    choice = read_choice(settings, ANSWER_S)
    workers = [seen for seen in read_reports(settings, ANSWER_S).values() if seen.live]
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins({"chosen": choice, "workers": workers}), indent=1))
        return
    if choice is None:
        click.echo("chosen: none, each worker serves its own (BABELWATCH_MODEL_PATH, or the default)")
    else:
        when = choice.chosen_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
        click.echo(f"chosen: {choice.model}, rule {choice.rule}, at {when} UTC by {printable(choice.chosen_by)}")
    if not workers:
        click.echo("no sentiment worker says that it runs")
    for seen in sorted(workers, key=lambda one: one.report.worker):
        click.echo(f"{_line(seen)} ({seen.age_s:.0f} s ago)")


def _line(seen: "Seen") -> str:
    report = seen.report
    reason = f": {printable(report.reason)}" if report.reason else ""
    return f"{printable(report.worker)}  {report.state}  {report.model}, rule {report.rule}, {report.web}{reason}"
