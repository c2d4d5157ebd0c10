"""``babelwatch model card``: write a model folder's card from its own numbers."""

from pathlib import Path

import click

from pipeline.cli import options
from pipeline.sentiment.folder import ModelFolder
from pipeline.settings import load_settings


@click.command()
@options.model
@click.option("--print", "only_print", is_flag=True, help="Print it; write nothing.")
def command(model: Path | None, only_print: bool) -> None:
    """Write README.md of a model folder from its config.json, export.json, evaluation*.json and trust.json."""
    from pipeline.sentiment.training.card import card, write_card

    folder = ModelFolder(model or load_settings().model_path, check_card=False)
    if only_print:
        click.echo(card(folder), nl=False)
    else:
        click.echo(write_card(folder))
