"""``babelwatch dead purge``: done with dead letters, with a reason."""

import uuid

import click

from pipeline.cli.dead.select import confirm, connected, filters
from pipeline.cli.dead.work import Selected


@click.command(epilog="Exit codes: 0 done; 2 arguments; 3 ClickHouse does not answer; 130 not confirmed.")
@click.argument("origins", nargs=-1, metavar="ORIGIN...")
@click.option("--all", "every", is_flag=True, help="All open ones that match the filters.")
@filters
@click.option("--why", required=True, help="Why; it stays in the history.")
@click.option("--erase", is_flag=True, help="Also overwrite bytes, key and headers (a privacy request).")
@click.option("--yes", is_flag=True, help="Do not ask before more than one is purged.")
def purge(origins: tuple[str, ...], every: bool, why: str, erase: bool, yes: bool, **chosen: str | None) -> None:
    """Take dead letters off the list of open ones. They stay counted as dead, and stay readable unless --erase.

    \b
    babelwatch dead purge mentions/3/1842 --why 'a test of ours'
    babelwatch dead purge --all --reason not_json --since 1d --why 'scanner, see ticket 812' --yes
    """
    from pipeline.store.dead_actions import DeadActions
    from pipeline.store.deadletters import DeadLetterStore

    selected = Selected(origins, every, chosen)
    selected.check()
    client = connected()
    total, letters = selected.load(client)
    if not total:
        click.echo("no open dead letters match")
        return
    confirm("Purge", total, yes)
    actions = DeadActions(client, uuid.uuid4().hex)
    store = DeadLetterStore(client)
    done = 0
    for page in letters():
        if erase:
            store.erase(page)
        actions.write(((letter, "") for letter in page), "purged", why)
        done += len(page)
    click.echo(f"{done:,} purged" + ("; topic mentions.dead keeps their bytes for up to 30 days" if erase else ""))
