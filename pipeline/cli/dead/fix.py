"""``babelwatch dead fix``: other bytes for dead letters, checked, then sent."""

import difflib
from pathlib import Path

import click

from pipeline.cli.dead.replay import EPILOG
from pipeline.cli.dead.select import filters
from pipeline.cli.dead.work import Selected, run
from pipeline.cli.options import Rate
from pipeline.dead.mend import check, with_fields
from pipeline.errors import InputError
from pipeline.kafka.deadletter import DeadLetter
from pipeline.terminal import printable_bytes

MOST_BYTES = 1 << 20
SHOWN_BYTES = 4096


@click.command(epilog=EPILOG)
@click.argument("origins", nargs=-1, metavar="ORIGIN...")
@click.option("--all", "every", is_flag=True, help="All open ones that match the filters.")
@filters
@click.option(
    "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Set a field of the JSON (FIELD= removes it)."
)
@click.option(
    "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The whole bytes, of one letter."
)
@click.option("--rate", type=Rate(), default=0.0, help="Letters per second at most. Default: what live traffic leaves.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="Do not ask before more than one is sent.")
def fix(
    origins: tuple[str, ...],
    every: bool,
    changes: tuple[str, ...],
    file: Path | None,
    rate: float,
    dry_run: bool,
    yes: bool,
    **chosen: str | None,
) -> None:
    """Mend dead letters and send them again. What the stage would refuse again is not sent.

    \b
    babelwatch dead fix mentions/3/1842 --set published_at=2026-11-27T08:00:00Z
    babelwatch dead show mentions/3/1842 --raw > letter; vi letter; babelwatch dead fix mentions/3/1842 --file letter
    babelwatch dead fix --all --reason invalid --contains shop7 --set source=shop7 --yes
    """
    if bool(changes) == (file is not None):
        raise InputError("give either --set FIELD=VALUE (once or more) or --file FILE")
    if file is not None and (every or len(origins) != 1):
        raise InputError("--file is the bytes of one letter: name one ORIGIN")
    whole = _read(file) if file is not None else None

    def mend(letter: DeadLetter) -> bytes:
        value = whole if whole is not None else with_fields(letter.value, changes)
        check(letter, value)
        return value

    run(
        Selected(origins, every, chosen),
        "Mend and send",
        rate=rate,
        dry_run=dry_run,
        yes=yes,
        mend=mend,
        show=_difference,
    )


def _read(file: Path) -> bytes:
    if file.stat().st_size > MOST_BYTES:
        raise InputError(f"{file} has {file.stat().st_size:,} bytes; a message has {MOST_BYTES:,} at most")
    return file.read_bytes()


def _difference(letter: DeadLetter, value: bytes) -> str:
    """What changes, a field a line, escaped."""
    before, after = (
        printable_bytes(each, SHOWN_BYTES).replace(",", ",\n").splitlines() for each in (letter.value, value)
    )
    lines = [
        line
        for line in difflib.unified_diff(before, after, lineterm="", n=0)
        if not line.startswith(("---", "+++", "@@"))
    ]
    return "\n".join(f"  {line}" for line in lines[:40])
