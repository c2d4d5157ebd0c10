"""``babelwatch dead purge``: done with dead letters, with a reason."""

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import replace

import click

from pipeline.cli.dead.select import confirm, connected, filters
from pipeline.cli.dead.work import Selected
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.topics import DAY_MS, DEAD, DETECTED, MENTIONS, SCORED, TOPICS


@click.command(epilog="Exit codes: 0 done; 2 arguments; 3 ClickHouse does not answer; 130 not confirmed.")
@click.argument("origins", nargs=-1, metavar="ORIGIN...")
@click.option("--all", "every", is_flag=True, help="All open ones that match the filters.")
@filters
@click.option("--why", required=True, help="Why; it stays in the history.")
@click.option(
    "--erase", is_flag=True, help="Also overwrite bytes, key, headers and error in ClickHouse (a privacy request)."
)
@click.option("--yes", is_flag=True, help="Do not ask before more than one is purged.")
def purge(origins: tuple[str, ...], every: bool, why: str, erase: bool, yes: bool, **chosen: str | None) -> None:
    """Take dead letters off the list of open ones. They stay counted as dead, and stay readable unless --erase.

    \b
    babelwatch dead purge mentions/3/1842 --why 'a test of ours'
    babelwatch dead purge --all --reason not_json --since 1d --why 'scanner, see ticket 812' --yes
    """
    from pipeline.store.dead_actions import DeadActions
    from pipeline.store.dead_erasure import AT_ONCE, WITHIN_S
    from pipeline.store.dead_erasure import erase as erase_for_good

    selected = Selected(origins, every, chosen)
    selected.check()
    client = connected(WITHIN_S) if erase else connected()
    total, letters = selected.load(client)
    if not total:
        click.echo("no open dead letters match")
        return
    confirm("Purge and erase" if erase else "Purge", total, yes)
    actions = DeadActions(client, uuid.uuid4().hex)
    done = 0
    for some in _without_bytes(letters(), AT_ONCE) if erase else letters():
        if erase:
            # First, so that letters are open, and the same command goes on, when this is interrupted.
            erase_for_good(client, [letter.origin for letter in some])
        actions.write(((letter, "") for letter in some), "purged", why)
        done += len(some)
    click.echo(f"{done:,} purged")
    if erase:
        click.echo(_what_remains())


def _without_bytes(pages: Iterable[list[DeadLetter]], number: int) -> Iterator[list[DeadLetter]]:
    """``number`` letters at a time: each erasure rewrites whole parts of the table, so few of many are quicker."""
    held: list[DeadLetter] = []
    for page in pages:
        held += (replace(letter, value=b"", key=None, headers=()) for letter in page)
        while len(held) >= number:
            yield held[:number]
            held = held[number:]
    if held:
        yield held


def _what_remains() -> str:
    days = {topic.name: topic.retention_ms // DAY_MS for topic in TOPICS}
    topics = ", ".join(f"{name} {days[name]}" for name in (DEAD, MENTIONS, DETECTED, SCORED))
    return (
        "erased from table dead_letters, older versions too (its files go within minutes). What is left elsewhere:\n"
        f"- Kafka, until retention removes it (days, as topics are created: {topics})\n"
        "- the workers' logs, which may quote the message in the first 200 characters of an error\n"
        "- backups, and what was stored if it was sent again (table mentions: send a `mention_deleted`)"
    )
