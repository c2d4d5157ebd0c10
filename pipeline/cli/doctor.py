"""``babelwatch doctor``: is everything there, and what to do if not."""

import json
from dataclasses import asdict
from typing import Final

import click

from pipeline.doctor.finding import Check, Finding, Level, fail, run_checks
from pipeline.errors import SettingsError
from pipeline.local import discover
from pipeline.settings import Settings, load_settings
from pipeline.terminal import printable

FAILED: Final = 1
_COLOURS: Final = {Level.OK: "green", Level.SKIP: "bright_black", Level.WARN: "yellow", Level.FAIL: "red"}


@click.command(epilog="Exit codes: 0 nothing failed (warnings are no failures); 1 something did.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts. Holds no secrets.")
def command(as_json: bool) -> None:
    """Check Python, packages, folders, disks, the model, the brands file, Kafka and ClickHouse; say what to do.

    Kafka and ClickHouse: connection, version, rights, topics and tables, room, clocks against ours. To ask for a
    broker's clock it creates and removes topic babelwatch.doctor; nothing else is changed anywhere.
    """
    findings = []
    for finding in run_checks(_checks()):
        findings.append(finding)
        if not as_json:
            _show(finding)
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    failed = sum(finding.level is Level.FAIL for finding in findings)
    warned = sum(finding.level is Level.WARN for finding in findings)
    if not as_json:
        click.echo(f"\n{failed} failed, {warned} warnings" if failed or warned else "\nall is well")
    raise SystemExit(FAILED if failed else 0)


def _checks() -> list[tuple[str, Check]]:
    from pipeline.doctor import machine, services

    always: list[tuple[str, Check]] = [
        ("python", machine.python),
        ("packages", machine.packages),
        ("memory", machine.memory),
    ]
    try:
        settings: Settings = load_settings()
    except SettingsError as error:
        wrong = fail("settings", str(error), "correct these environment variables; docs/operate.md lists them all")
        return [*always, ("settings", lambda: [wrong])]
    found = discover(settings)
    return [
        *always,
        ("folders", lambda: machine.folders(settings)),
        ("stack", lambda: machine.stack(settings)),
        ("embedded services", lambda: machine.embedded(settings)),
        ("model", lambda: machine.model(settings)),
        ("brands file", lambda: machine.brands(settings)),
        ("kafka", lambda: services.kafka(found)),
        ("clickhouse", lambda: services.clickhouse(found)),
    ]


def _show(finding: Finding) -> None:
    level = click.style(f"{finding.level:4}", fg=_COLOURS[finding.level])
    click.echo(f"{level}  {finding.check}: {printable(finding.found)}")
    if finding.remedy:
        click.echo(f"      -> {finding.remedy}")
