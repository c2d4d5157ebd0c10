"""``babelwatch topics``: create the topics."""

import click

from pipeline.local import discover
from pipeline.settings import load_settings

DAY_MS = 86_400_000


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what is there and what should be, and change nothing.")
@click.option("--add-partitions", is_flag=True, help="Bring topics that have fewer partitions up to what is set.")
def command(dry_run: bool, add_partitions: bool) -> None:
    """Create the topics that are missing, with their retention. Doing it again does nothing.

    `up` and every worker do this themselves; it is for those who may not create topics and want to see which they
    need. Partitions: BABELWATCH_TOPIC_PARTITIONS (4); replicas: BABELWATCH_TOPIC_REPLICATION_FACTOR (1).

    \b
    KAFKA_BROKERS=k1:9092 BABELWATCH_TOPIC_REPLICATION_FACTOR=3 babelwatch topics
    KAFKA_BROKERS=k1:9092 BABELWATCH_TOPIC_PARTITIONS=32 babelwatch topics --add-partitions
    """
    from pipeline.kafka import partitions
    from pipeline.kafka.admin import ensure_topics, read_incarnation, topic_states

    settings = discover(load_settings())
    settings.require_kafka()
    created = [] if dry_run else ensure_topics(settings)
    added = partitions.add_partitions(settings) if add_partitions and not dry_run else {}
    for state in topic_states(settings):
        topic = state.topic
        wanted = topic.partitions or settings.topic_partitions
        kept = "for ever" if topic.retention_ms < 0 else f"{topic.retention_ms / DAY_MS:.0f} days"
        if topic.name in created:
            what = "created"
        elif topic.name in added:
            what = f"there, {added[topic.name][1] - added[topic.name][0]} partitions added"
        elif not state.partitions:
            what = "missing"
        elif state.partitions != wanted:
            more = "; --add-partitions adds them" if state.partitions < wanted else ""
            what = f"there, with {state.partitions} partitions where {wanted} are set{more}"
        else:
            what = "there"
        click.echo(f"{topic.name:24} {what}: {state.partitions or wanted} partitions, kept {kept}")
    if not dry_run:
        click.echo(f"incarnation {read_incarnation(settings)} at {settings.kafka_brokers}")
