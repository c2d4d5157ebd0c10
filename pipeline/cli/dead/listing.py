"""``babelwatch dead list`` and ``dead count``."""

import json
from datetime import UTC

import click

from pipeline.cli.dead.parse import format_origin
from pipeline.cli.dead.select import as_dict, connected, filters, wanted
from pipeline.kafka.deadletter import DeadLetter
from pipeline.terminal import printable

_STATE = click.option(
    "--state",
    type=click.Choice(["open", "replayed", "purged", "all"]),
    default="open",
    show_default=True,
    help="What has become of them: nothing yet, sent again, or disposed of.",
)


@click.command("list")
@filters
@_STATE
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_(state: str, limit: int, as_json: bool, **chosen: str | None) -> None:
    """List dead letters, the newest first."""
    from pipeline.store.deadletters import DeadLetterStore

    store = DeadLetterStore(connected())
    selection = wanted(state, **chosen)
    letters = store.list(selection, limit=limit)
    if as_json:
        for letter in letters:
            print(json.dumps(as_dict(letter)))
        return
    total = store.total(wanted(state, None, None, None, None, None, None))
    named = "" if state == "all" else f"{state} "
    if not letters:
        what = f"no {named}dead letters match" if total else f"no {named}dead letters"
        print(what + (f" ({total:,} in all)" if total else ""))
        return
    rows = [("ORIGIN", "FAILED (UTC)", "STAGE", "REASON", "BYTES", "WHY")] + [_row(letter) for letter in letters]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]))
    groups = store.group(wanted(state, None, None, None, None, None, None), ("stage", "reason"))
    counts = ", ".join(f"{printable(r)} {n:,} ({printable(s)})" for (s, r), n in list(groups.items())[:8])
    print(f"\n{len(letters):,} shown of {total:,} in all: {counts}")
    print("`babelwatch dead show ORIGIN` prints one with its bytes")


@click.command()
@filters
@_STATE
@click.option(
    "--by",
    type=click.Choice(["reason", "stage", "topic", "day"]),
    multiple=True,
    default=("stage", "reason"),
    help="Several times for several at once. Default: stage and reason.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def count(state: str, by: tuple[str, ...], as_json: bool, **chosen: str | None) -> None:
    """Count dead letters by reason, stage, topic or day."""
    from pipeline.store.deadletters import DeadLetterStore

    names = tuple(dict.fromkeys(by))[:3]
    groups = DeadLetterStore(connected()).group(wanted(state, **chosen), names)
    if as_json:
        for values, number in groups.items():
            print(json.dumps(dict(zip(names, values, strict=True)) | {"count": number}))
        return
    rows = [(*(printable(value, 60) for value in values), f"{number:,}") for values, number in groups.items()]
    rows = [(*(name.upper() for name in names), "COUNT"), *rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n{sum(groups.values()):,} in all")


def _row(letter: DeadLetter) -> tuple[str, str, str, str, str, str]:
    failed = letter.failed_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    stage, reason = printable(letter.stage, 20), printable(letter.reason, 30)
    return format_origin(letter.origin), failed, stage, reason, str(len(letter.value)), printable(letter.error, 100)
