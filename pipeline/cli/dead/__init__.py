"""``babelwatch dead``: what could not be processed, and what to do about it."""

import click

from pipeline.cli.dead.fix import fix
from pipeline.cli.dead.listing import count, list_
from pipeline.cli.dead.parse import Place, format_origin, parse_origin, parse_since
from pipeline.cli.dead.purge import purge
from pipeline.cli.dead.replay import replay
from pipeline.cli.dead.show import show

__all__ = ["Place", "command", "format_origin", "parse_origin", "parse_since"]


@click.group()
def command() -> None:
    """Dead letters: what could not be processed, with its bytes and why.

    They are kept in ClickHouse (and for 30 days in topic mentions.dead). Start with `babelwatch dead list`.
    """


for _each in (list_, count, show, replay, fix, purge):
    command.add_command(_each)
