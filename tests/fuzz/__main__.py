"""``python -m tests.fuzz``: see docs/fuzz.md. Exit code 0: nothing was found (with ``--mutation``: it was); 1: the
opposite; 2: it could not be run."""

import json
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.chaos.tools import NotHere
from tests.fuzz.run import run

FULL = 200_000
SHORT = 3_000


@click.command()
@click.option("--short", is_flag=True, help=f"{SHORT:,} messages in place of {FULL:,}.")
@click.option("--broker", type=click.Choice(["apache", "embedded"]), default="embedded", show_default=True)
@click.option("--messages", type=click.IntRange(100), help="How many poisoned messages.")
@click.option("--seed", type=int, default=20261127, show_default=True)
@click.option("--mutation", type=click.Choice(["drop", "forget-poison"]), help="With this defect; it has to be found.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help="Folder for the report and the logs.")
def main(short: bool, broker: str, messages: int | None, seed: int, mutation: str | None, report: Path | None) -> None:
    """Send poison through every entrance and account for each message."""
    folder = report.absolute() if report else Path(tempfile.mkdtemp(prefix="babelwatch-fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {what}", file=sys.stderr, flush=True)

    try:
        outcome = run(broker, messages or (SHORT if short else FULL), seed, folder, say, mutation or "")
    except NotHere as reason:
        print(f"cannot be run here: {reason}", file=sys.stderr)
        sys.exit(2)
    text = json.dumps(outcome.data(), indent=1, default=str)
    (folder / f"fuzz-{broker}.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    print(f"{'FINDINGS' if outcome.wrong else 'nothing was found'}; report and logs: {folder}", file=sys.stderr)
    sys.exit(int(bool(outcome.wrong) != bool(mutation)))


if __name__ == "__main__":
    main()
