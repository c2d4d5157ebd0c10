"""``python -m tests.chaos``: see docs/chaos.md. Exit code 0: nothing was found; 1: findings; 2: it could not be run."""

import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click

from tests.chaos.disk import own_mounts
from tests.chaos.form import Form
from tests.chaos.mutations import MUTATIONS
from tests.chaos.tools import NotHere

FULL = {"apache": (1_000_000, 100), "embedded": (100_000, 30)}
SHORT = {"apache": (2_000, 8), "embedded": (2_000, 8)}
MUTATED = 1_500
"""Messages of a run with a mutation that spoils one in 500; at 30,000 it spoils one in 10,000."""


@click.command()
@click.option("--short", is_flag=True, help="A few minutes: 2,000 messages and 8 faults on each broker.")
@click.option("--broker", type=click.Choice(["apache", "embedded"]), help="Only this one (default: both).")
@click.option("--mentions", type=click.IntRange(100), help="How many messages.")
@click.option("--faults", type=click.IntRange(0), help="How many faults.")
@click.option("--seed", type=int, default=20261127, show_default=True, help="Of messages and schedule.")
@click.option("--model", type=click.Choice(["deterministic", "real"]), default="deterministic", show_default=True)
@click.option("--workers", type=click.IntRange(1, 4), default=2, show_default=True, help="Of each role.")
@click.option("--only", multiple=True, metavar="FAULT", help="Draw from these faults only.")
@click.option("--mutation", type=click.Choice(list(MUTATIONS)), help="With this defect; it has to be found.")
@click.option("--mutations", is_flag=True, help="With each defect in turn; each has to be found.")
@click.option("--report", type=click.Path(file_okay=False, path_type=Path), help="Folder for reports and logs.")
def main(
    short: bool,
    broker: str | None,
    mentions: int | None,
    faults: int | None,
    seed: int,
    model: str,
    workers: int,
    only: tuple[str, ...],
    mutation: str | None,
    mutations: bool,
    report: Path | None,
) -> None:
    """Run the pipeline through faults and check every count. Without options: the full form, which takes hours."""
    try:
        own_mounts()
        no_disk = ""
    except NotHere as reason:
        no_disk = str(reason)
    folder = report.absolute() if report else Path(tempfile.mkdtemp(prefix="babelwatch-chaos-"))
    form = Form("", 0, 0, seed, folder, model, workers, no_disk=no_disk, only=only)
    if mutation or mutations:
        sys.exit(_mutations(form, list(MUTATIONS) if mutations else [mutation or ""], broker or "embedded", mentions))
    code = 0
    for name in [broker] if broker else ["apache", "embedded"]:
        size = (SHORT if short else FULL)[name]
        one = replace(form, broker=name, mentions=mentions or size[0], faults=size[1] if faults is None else faults)
        code = max(code, _run(one, required=broker is not None))
    sys.exit(code)


def _run(form: Form, *, required: bool) -> int:
    from tests.chaos.run import run

    folder = form.folder
    work = folder / f"run-{form.broker}-{form.seed}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        report = run(replace(form, folder=work), _say)
    except NotHere as reason:
        click.echo(f"{form.broker}: not run: {reason}", err=required)
        return 2 if required else 0
    page = report.write(folder, f"chaos-{form.broker}-{form.seed}")
    _say(f"{form.broker}: {report.outcome}")
    for finding in report.findings:
        click.echo(f"  {finding.what}: {finding.count}: {finding.example}")
    click.echo(f"{report.form.mentions:,} messages, {len(report.faults)} faults, {report.total_s:.0f} s: {page}")
    return 1 if report.findings else 0


def _mutations(form: Form, names: list[str], broker: str, mentions: int | None) -> int:
    """Return 0 when every defect is found."""
    from tests.chaos.run import run

    missed = []
    for name in names:
        work = form.folder / f"mutation-{name}"
        shutil.rmtree(work, ignore_errors=True)
        count = mentions or MUTATED
        mutated = replace(
            form, broker=broker, mentions=count, one_in=min(form.one_in, max(500, count // 3)), workers=1, folder=work
        )
        report = run(replace(mutated, mutation=name), _say)
        report.write(form.folder, f"mutation-{name}")
        _say(f"{name} ({MUTATIONS[name].what}): {report.outcome}")
        if not MUTATIONS[name].found_in(report.findings):
            missed.append(name)
    click.echo(f"{len(names) - len(missed)} of {len(names)} mutations found" + (f"; NOT: {missed}" if missed else ""))
    return 1 if missed else 0


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {text}")


if __name__ == "__main__":
    main()
