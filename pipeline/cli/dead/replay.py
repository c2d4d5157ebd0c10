"""``babelwatch dead replay``: dead letters into the pipeline once more, as they are."""

import click

from pipeline.cli.dead.select import filters
from pipeline.cli.dead.work import Selected, run
from pipeline.cli.options import Rate

EPILOG = (
    "Exit codes: 0 all are sent; 2 arguments; 3 a service does not answer; 10 some cannot be sent (listed); "
    "130 stopped."
)


@click.command(epilog=EPILOG)
@click.argument("origins", nargs=-1, metavar="ORIGIN...")
@click.option("--all", "every", is_flag=True, help="All open ones that match the filters.")
@filters
@click.option("--rate", type=Rate(), default=0.0, help="Letters per second at most. Default: what live traffic leaves.")
@click.option("--dry-run", is_flag=True, help="Say how many, and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before more than one is sent.")
def replay(origins: tuple[str, ...], every: bool, rate: float, dry_run: bool, yes: bool, **chosen: str | None) -> None:
    """Send dead letters to the stage that refused them, e.g. after an upgrade that understands them.

    Each keeps the place where it first entered and its history. One that dies again is open again; one that is sent
    twice counts once. To change its bytes first: `babelwatch dead fix`.

    \b
    babelwatch dead replay mentions/3/1842
    babelwatch dead replay --all --reason unknown_version --rate 50 --yes
    """
    run(Selected(origins, every, chosen), "Send", rate=rate, dry_run=dry_run, yes=yes)
