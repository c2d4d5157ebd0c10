"""``babelwatch topics``: create the topics, say how they are kept, add partitions."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from pipeline.embedded.files import Run
from pipeline.errors import InputError
from pipeline.local import discover
from pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from pipeline.kafka.admin import TopicState
    from pipeline.kafka.configs import Config

QUIET_S: Final = 1.0
"""A broker that answers does so before; whoever waits longer is told what for."""


@click.command(
    epilog="Exit codes: 0 done (warnings are no failures); 2 settings, or nobody can be asked; 3 Kafka does not "
    "answer; 130 not confirmed."
)
@click.option("--dry-run", is_flag=True, help="Show what is there and what should be, and change nothing.")
@click.option(
    "--add-partitions",
    is_flag=True,
    help="Bring topics that have fewer partitions up to what is set. It cannot be undone.",
)
@click.option("--yes", is_flag=True, help="Do not ask before partitions are added.")
def command(dry_run: bool, add_partitions: bool, yes: bool) -> None:
    """Create the topics that are missing, with their retention. Doing it again does nothing.

    `up` and every worker do this themselves; it is for those who may not create topics and want to see which they
    need. Topics that are there stay as they are: what the broker says of them is shown, with a warning where it is not
    what it should be. Partitions: BABELWATCH_TOPIC_PARTITIONS (4); replicas: BABELWATCH_TOPIC_REPLICATION_FACTOR (1).

    \b
    KAFKA_BROKERS=k1:9092 BABELWATCH_TOPIC_REPLICATION_FACTOR=3 babelwatch topics
    KAFKA_BROKERS=k1:9092 BABELWATCH_TOPIC_PARTITIONS=32 babelwatch topics --add-partitions
    """
    from pipeline.kafka import partitions
    from pipeline.kafka.admin import ensure_topics, read_incarnation, topic_states
    from pipeline.kafka.configs import read_configs

    settings = discover(load_settings())
    settings.require_kafka()
    adds = add_partitions and not dry_run
    with _patience(settings):
        created = [] if dry_run else ensure_topics(settings)
        few = partitions.too_few(settings) if adds else {}
    _confirm(few, settings.topic_partitions, yes)
    with _patience(settings):
        added = partitions.add_partitions(settings) if few else {}
        states = topic_states(settings)
        configs = read_configs(settings, [state.topic.name for state in states if state.partitions])
        incarnation = "" if dry_run else read_incarnation(settings)
    embedded = _is_embedded(settings)
    for state in states:
        more = added.get(state.topic.name, (0, 0))
        what = "created" if state.topic.name in created else _what(state, settings, more[1] - more[0])
        count = state.partitions or state.topic.partitions or settings.topic_partitions
        config = configs.get(state.topic.name)
        click.echo(f"{state.topic.name:24} {what}: {count} partitions, {_kept(state, config, embedded=embedded)}")
        _warn(state, config or {})
    if incarnation:
        click.echo(f"incarnation {incarnation} at {settings.kafka_brokers}")


@contextmanager
def _patience(settings: Settings) -> Iterator[None]:
    """Say what is waited for where a broker does not answer at once: it is waited for as long as it may be starting."""
    text = f"waiting for Kafka at {settings.kafka_brokers} (up to {settings.connect_timeout_s:.0f} s)"
    timer = threading.Timer(QUIET_S, lambda: click.echo(text, err=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _confirm(few: dict[str, int], wanted: int, yes: bool) -> None:
    """Ask before partitions are added. Raises InputError where nobody can answer; exits with 130 when it is refused."""
    if yes or not few:
        return
    what = f"Add partitions to {', '.join(f'{name} ({before} -> {wanted})' for name, before in few.items())}"
    if not sys.stdin.isatty():
        raise InputError(f"{what}: it cannot be undone; add --yes where nobody can be asked")
    if not click.confirm(f"{what}? It cannot be undone, and keys move to other partitions.", err=True):
        raise click.exceptions.Exit(130)


def _what(state: "TopicState", settings: Settings, added: int) -> str:
    wanted = state.topic.partitions or settings.topic_partitions
    if added:
        return f"there, {added} partitions added"
    if not state.partitions:
        return "missing"
    if state.partitions != wanted:
        more = "; --add-partitions adds them" if state.partitions < wanted else ""
        return f"there, with {state.partitions} partitions where {wanted} are set{more}"
    return "there"


def _is_embedded(settings: Settings) -> bool:
    run = Run.read(settings.data_dir)
    return run is not None and run.kafka_embedded and run.kafka_brokers == settings.kafka_brokers


def _kept(state: "TopicState", config: "Config | None", *, embedded: bool) -> str:
    from pipeline.kafka.configs import kept

    if embedded:
        return "kept until it stops (embedded broker)"  # it tells the retention that it was given, and has none
    if config is None:
        return f"should be kept {kept(state.topic.config())}"
    return f"kept {kept(config)}"


def _warn(state: "TopicState", config: "Config") -> None:
    from pipeline.kafka.configs import differences, duration

    for key, (there, wanted) in differences(state.topic, config).items():
        if key == "retention.ms" and min(int(there), int(wanted)) >= 0:
            there, wanted = (f"{value} ({duration(int(value))})" for value in (there, wanted))  # noqa: PLW2901
        change = f"kafka-configs.sh --alter --entity-type topics --entity-name {state.topic.name} --add-config"
        text = f"  warning: {key} is {there}, and should be {wanted}: {change} {key}={wanted.split()[0]}"
        click.echo(click.style(text, fg="yellow"))
