"""The command line: each command in a module of its own, imported only when it is used, so that --help is quick."""

import importlib
import sys
from typing import Final

import click

from pipeline.errors import BabelwatchError

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "demo": ("pipeline.cli.demo", "Run everything on this machine and replay the sample mentions"),
    "up": ("pipeline.cli.up", "Run everything: services that are not given, workers, dashboard"),
    "worker": ("pipeline.cli.worker", "Run one agent: language, sentiment or sink"),
    "dashboard": ("pipeline.cli.dashboard", "Run the dashboard and the HTTP API alone"),
    "score": ("pipeline.cli.score", "Judge lines of text or JSONL, without Kafka or ClickHouse"),
    "ingest": ("pipeline.cli.ingest", "Send a file of mentions (JSONL, CSV, gzip) into the pipeline"),
    "backfill": ("pipeline.cli.backfill", "Send history with old dates, below live traffic"),
    "dead": ("pipeline.cli.dead", "Dead letters: list them, show one"),
    "replay": ("pipeline.cli.replay", "Send a part of a topic through the pipeline once more"),
    "reconcile": ("pipeline.cli.reconcile", "Prove that everything that was sent has ended; repair gaps"),
    "brands": ("pipeline.cli.brands", "Check a brands file, try it on a text"),
    "status": ("pipeline.cli.status", "Services, topics, lag, rows, dead letters, model"),
    "doctor": ("pipeline.cli.doctor", "Check connections, versions, disk and clocks; says what to do"),
    "migrate": ("pipeline.cli.migrate", "Create or upgrade the tables in ClickHouse"),
    "topics": ("pipeline.cli.topics", "Create the topics"),
    "rescore": ("pipeline.cli.rescore", "Judge stored mentions again, with another model or rule"),
    "model": ("pipeline.cli.model", "The sentiment model: train, measure, export, show"),
}

EPILOG = """\b
Try it:       babelwatch demo
One text:     echo 'I love it' | babelwatch score -
A real cluster: KAFKA_BROKERS=host:9092 CLICKHOUSE_URL=clickhouse://user:password@host:9000/babelwatch babelwatch up
"""


class LazyCommands(click.Group):
    """A click group whose commands are modules with a ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyCommands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="babelwatch")
def cli() -> None:
    """What is being said about a brand, in which mood, in every language.

    mentions -> Kafka -> agents (language, brands, sentiment) -> ClickHouse -> dashboard.
    """


def main() -> None:
    """Entry point ``babelwatch``: expected errors are one message and an exit code, not a traceback."""
    try:
        cli(prog_name="babelwatch")
    except BabelwatchError as error:
        print(f"babelwatch: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
