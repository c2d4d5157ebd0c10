"""``babelwatch model``: train, measure, export and show the sentiment model; a module per verb, imported when used."""

import importlib
from typing import Final

import click

VERBS: Final[dict[str, str]] = {
    "train": "From a configuration file to trained weights",
    "show": "Verify a model folder and print what it is",
    "evaluate": "Measure a model on labelled texts, language by language",
    "check": "Behavioural tests: negation, sarcasm, capitals, romanised text, by language",
    "trust": "How far each language's labels can be trusted",
    "export": "From trained weights to a folder that is served",
    "card": "Write a model folder's card from its own numbers",
    "use": "Another model for a pipeline that runs, without stopping it",
}
"""Verb -> its line in the help. The module ``pipeline.cli.model.<verb>`` holds its ``command``."""


class LazyVerbs(click.Group):
    """A click group whose verbs are modules with a ``command``, so that --help imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table above."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module and return its command, or None for an unknown name."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"pipeline.cli.model.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyVerbs)
def command() -> None:
    """The sentiment model: train, measure, export, show."""
