"""``babelwatch status``: services, topics, lag, rows, dead letters, model, workers."""

import json
from typing import Any, Final

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipeline.ledger_state import ledger_warnings
from pipeline.local import discover
from pipeline.settings import load_settings
from pipeline.terminal import printable

WELL: Final = 0
ILL: Final = 3


@click.command(
    epilog="Exit codes: 0 everything answers, and what waits is read; 2 settings; 3 something does not, or is not (it "
    "says what)."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for scripts. Holds no secrets.")
def command(as_json: bool) -> None:
    """Show services, topics, lag per worker and partition, rows, dead letters and the model.

    Asks the stack that runs on the data folder (BABELWATCH_DATA_DIR), or KAFKA_BROKERS and CLICKHOUSE_URL. Where
    messages wait and no worker can be asked, it watches for up to 20 s whether anything is committed.

    \b
    babelwatch status
    babelwatch status --json | python -m json.tool
    """
    from pipeline.overview import overview

    with Console(stderr=True, highlight=False).status("looking") as look:
        found = overview(discover(load_settings()), look.update)
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        _show(found, Console(highlight=False))
    raise SystemExit(ILL if found["problems"] else WELL)


def _show(found: dict[str, Any], console: Console) -> None:
    running = found["running"]
    if running is None:
        console.print("no stack runs on this data folder: `babelwatch up` starts one")
    else:
        console.print(f"running since {running['since']} (process {running['pid']}, {escape(running['data_dir'])})")
    console.print(_services(found["services"]))
    if found["workers"]:
        console.print(_workers(found["workers"]))
    if found["topics"]:
        console.print(_topics(found))
    if found["rows"]:
        rows = found["rows"]
        console.print(f"stored: {rows['mentions']:,} mentions, and {rows['deleted']:,} deleted ones")
        dead = found["dead_letters"]
        reasons = ", ".join(
            f"{r['stage']}/{escape(printable(r['reason'], 60))} {r['count']:,}" for r in dead["by_reason"][:8]
        )
        opened = f", {dead['open']:,} of them open ({reasons}): `babelwatch dead list`" if reasons else ""
        console.print(f"dead letters: {dead['count']:,}{opened}")
        _ledger(found["ledger"], console)
    model = found["model"]
    if model["up"]:
        console.print(f"model: {escape(model['name'])}, rule {escape(model['rule'])}")
    else:
        console.print(f"[red]model: {escape(model['error'])}[/]")
    for worker in found["workers"]:
        for warning in worker.get("warnings", []):
            console.print(f"[yellow]worker {worker['role']}:[/] {escape(printable(warning))}")
    for notice in found["notices"]:
        console.print(f"[yellow]note:[/] {escape(printable(notice))}")
    for problem in found["problems"]:
        console.print(f"[red]problem:[/] {escape(printable(problem))}")


def _ledger(ledger: dict[str, Any], console: Console) -> None:
    partitions = ledger["partitions"]
    if partitions:
        proven = sum(p["proven"] - p["begin"] for p in partitions)
        console.print(
            f"ledger: {proven:,} messages are proven to have ended, {ledger['gap_offsets']:,} are missing "
            f"(looked at {ledger['age_s']:.0f} s ago)"
        )
    for warning in ledger_warnings(ledger):
        console.print(f"[yellow]ledger:[/] {escape(printable(warning))}")


def _services(services: dict[str, Any]) -> Table:
    table = _table("service", "address", "", "")
    for name, part in services.items():
        notes = [note for note in ("embedded" if part.get("embedded") else "", part.get("version", "")) if note]
        state = "[green]up[/]" if part["up"] else "[red]down[/]"
        table.add_row(name, escape(str(part.get("address") or "-")), state, escape(" ".join(notes)))
    return table


def _workers(workers: list[dict[str, Any]]) -> Table:
    # Narrow enough for 80 columns; CPU time and each partition are in --json.
    table = _table("worker", "pid", "memory", "restarts", "", "lag", "waits", "moved", "pages")
    for w in workers:
        memory = f"{w['rss_bytes'] / 2**20:,.0f} MiB" if w["rss_bytes"] else "-"
        lag = f"{w['lag']:,}" if w["partitions"] else "-"
        waits, moved = _age(w["committed_age_s"]), _age(w["progress_age_s"])
        where = w["web"].removeprefix("http://")
        table.add_row(w["role"], str(w["pid"]), memory, str(w["restarts"]), _state(w), lag, waits, moved, where)
    return table


def _state(worker: dict[str, Any]) -> str:
    if worker["crash_looping"]:
        return "[red]crash-looping[/]"
    if worker["state"] != "running":
        return f"[red]{worker['state']}[/]"
    if worker["healthy"]:
        return "[green]healthy[/]"
    return "[yellow]starting[/]" if worker.get("starting") else "[red]ill[/]"


def _age(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:,.0f} s"


def _topics(found: dict[str, Any]) -> Table:
    table = _table("topic", "messages", "worker", "lag", "lag by partition")
    for topic in found["topics"]:
        lags = [lag for lag in found["lag"] if lag["topic"] == topic["topic"]]
        by_partition = " ".join(f"{lag['partition']}:{lag['lag']:,}" for lag in lags)
        end = f"{topic['end']:,}" if topic["partitions"] else "[red]missing[/]"
        role = lags[0]["role"] if lags else "-"
        table.add_row(topic["topic"], end, role, f"{sum(lag['lag'] for lag in lags):,}" if lags else "-", by_partition)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
