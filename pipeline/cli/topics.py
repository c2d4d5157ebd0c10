"""``babelwatch topics``: create the topics."""

import click

from pipeline.local import discover
from pipeline.settings import load_settings

DAY_MS = 86_400_000


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what is there and what should be, and create nothing.")
def command(dry_run: bool) -> None:
    """Create the topics that are missing, with their retention. Doing it again does nothing.

    `up` and every worker do this themselves; it is for those who may not create topics and want to see which they
    need. Partitions: BABELWATCH_TOPIC_PARTITIONS (4); replicas: BABELWATCH_TOPIC_REPLICATION_FACTOR (1).

    \b
    KAFKA_BROKERS=k1:9092 BABELWATCH_TOPIC_REPLICATION_FACTOR=3 babelwatch topics
    """
    from pipeline.kafka.admin import ensure_topics, read_incarnation, topic_states

    settings = discover(load_settings())
    settings.require_kafka()
    created = [] if dry_run else ensure_topics(settings)
    for state in topic_states(settings):
        topic = state.topic
        wanted = topic.partitions or settings.topic_partitions
        kept = "for ever" if topic.retention_ms < 0 else f"{topic.retention_ms / DAY_MS:.0f} days"
        if topic.name in created:
            what = "created"
        elif not state.partitions:
            what = "missing"
        elif state.partitions != wanted:
            what = f"there, with {state.partitions} partitions where {wanted} are set (neither is changed)"
        else:
            what = "there"
        click.echo(f"{topic.name:24} {what}: {state.partitions or wanted} partitions, kept {kept}")
    if not dry_run:
        click.echo(f"incarnation {read_incarnation(settings)} at {settings.kafka_brokers}")
