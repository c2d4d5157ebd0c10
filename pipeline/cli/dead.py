"""``babelwatch dead``: what could not be processed, and why. The bytes are hostile: shown escaped, never raw."""

import base64
import json
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pipeline.errors import InputError
from pipeline.kafka.deadletter import DeadLetter
from pipeline.settings import load_settings
from pipeline.terminal import printable, printable_bytes
from schemas.events import Origin

if TYPE_CHECKING:
    from pipeline.store.deadletters import DeadLetterStore

SHOWN_BYTES = 16_384
_ORIGIN = re.compile(
    r"^(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<partition>\d{1,9})/(?P<offset>\d{1,18})(@(?P<inc>.{1,64}))?$"
)
_AGO = re.compile(r"^(\d{1,9})\s*([smhdw])$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Place(NamedTuple):
    """An ORIGIN as it is written on the command line."""

    topic: str
    partition: int
    offset: int
    incarnation: str
    """Beginning of the broker's incarnation, or empty for any."""


def parse_origin(text: str) -> Place:
    """``mentions/3/1842`` or ``mentions/3/1842@1f3b9c2d``. Raises InputError."""
    found = _ORIGIN.match(text)
    if found is None:
        raise InputError(
            f"{printable(text, 80)}: an origin is TOPIC/PARTITION/OFFSET, as `babelwatch dead list` shows it"
        )
    return Place(found["topic"], int(found["partition"]), int(found["offset"]), found["inc"] or "")


def format_origin(origin: Origin) -> str:
    """What :func:`parse_origin` reads; the incarnation by its first 8 characters."""
    return printable(f"{origin.topic}/{origin.partition}/{origin.offset}@{origin.incarnation[:8]}")


def parse_since(text: str, now: datetime, option: str = "--since") -> datetime:
    """``30m``, ``2h``, ``7d`` before ``now`` (s, m, h, d, w), or a time (no offset: UTC). Raises InputError."""
    ago = _AGO.match(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} {printable(text, 40)}: write 30m, 2h, 7d, or a time like 2026-01-31T12:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@click.group()
def command() -> None:
    """Dead letters: what could not be processed, with its bytes and why.

    They are kept in ClickHouse (and for 30 days in topic mentions.dead). Start with `babelwatch dead list`.
    """


@command.command("list")
@click.option("--reason", help="Only this reason, e.g. not_json.")
@click.option("--stage", help="Only this stage: language, sentiment or sink.")
@click.option("--since", help="Only those that failed since: 30m, 2h, 7d, or a time.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def list_(reason: str | None, stage: str | None, since: str | None, limit: int, as_json: bool) -> None:
    """List dead letters, the newest first."""
    moment = parse_since(since, datetime.now(UTC)) if since else None
    store = _store()
    letters = store.list(limit=limit, reason=reason, stage=stage, since=moment)
    if as_json:
        for letter in letters:
            print(json.dumps(as_dict(letter)))
        return
    total = store.count()
    if not letters:
        what = "no dead letters match" if total else "no dead letters"
        print(what + (f" ({total:,} in all)" if total else ""))
        return
    rows = [("ORIGIN", "FAILED (UTC)", "STAGE", "REASON", "BYTES", "WHY")] + [_row(letter) for letter in letters]
    widths = [max(len(row[n]) for row in rows) for n in range(5)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]))
    counts = ", ".join(f"{printable(r)} {n:,} ({printable(s)})" for (s, r), n in list(store.by_reason().items())[:8])
    print(f"\n{len(letters):,} shown of {total:,} in all: {counts}")
    print("`babelwatch dead show ORIGIN` prints one with its bytes")


@command.command()
@click.argument("origin")
@click.option("--json", "as_json", is_flag=True, help="As JSON; the bytes in base64.")
@click.option("--raw", is_flag=True, help="The bytes as they are, into a file or a pipe (never onto a terminal).")
def show(origin: str, as_json: bool, raw: bool) -> None:
    """Show the dead letter of ORIGIN (TOPIC/PARTITION/OFFSET[@BROKER]): why, and its bytes, safely escaped."""
    place = parse_origin(origin)
    if raw and sys.stdout.isatty():
        raise InputError("these bytes may control a terminal: send them elsewhere, e.g. `... --raw > letter.bin`")
    letters = _store().list(limit=100, place=place[:3])
    found = [letter for letter in letters if letter.origin.incarnation.startswith(place.incarnation)]
    if not found:
        raise InputError(f"no dead letter at {printable(origin, 80)}: `babelwatch dead list` shows which there are")
    letter = found[0]
    if len(found) > 1:
        others = ", ".join(format_origin(other.origin) for other in found[1:])
        print(f"more brokers had a dead letter there; this is the newest, the others: {others}", file=sys.stderr)
    if raw:
        sys.stdout.buffer.write(letter.value)
    elif as_json:
        print(json.dumps(as_dict(letter, value=True), indent=1))
    else:
        _print(letter)


def as_dict(letter: DeadLetter, *, value: bool = False) -> dict[str, Any]:
    """``letter`` for JSON (ASCII only, so that it is harmless on a terminal too)."""
    facts: dict[str, Any] = {
        "origin": f"{letter.origin.topic}/{letter.origin.partition}/{letter.origin.offset}@{letter.origin.incarnation}",
        "stage": letter.stage,
        "reason": letter.reason,
        "error": letter.error,
        "failed_at": letter.failed_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "bytes": len(letter.value),
        "key": (letter.key or b"").decode("utf-8", "backslashreplace"),
    }
    if value:
        facts["headers"] = [[name, base64.b64encode(data).decode()] for name, data in letter.headers]
        facts["value_base64"] = base64.b64encode(letter.value).decode()
    return facts


def _row(letter: DeadLetter) -> tuple[str, str, str, str, str, str]:
    failed = letter.failed_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    stage, reason = printable(letter.stage, 20), printable(letter.reason, 30)
    return format_origin(letter.origin), failed, stage, reason, str(len(letter.value)), printable(letter.error, 100)


def _print(letter: DeadLetter) -> None:
    o = letter.origin
    facts = {
        "origin": printable(f"{o.topic}/{o.partition}/{o.offset}@{o.incarnation}"),
        "failed": letter.failed_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "stage": printable(letter.stage),
        "reason": printable(letter.reason),
        "why": printable(letter.error),
        "key": printable_bytes(letter.key or b"") or "(none)",
        **{f"header {printable(name, 60)}": printable_bytes(data, 200) for name, data in letter.headers},
        "bytes": f"{len(letter.value):,}",
    }
    width = max(len(name) for name in facts)
    for name, text in facts.items():
        print(f"{name.ljust(width)}  {text}")
    print()
    print(printable_bytes(letter.value, SHOWN_BYTES))


def _store() -> "DeadLetterStore":
    from pipeline.local import discover
    from pipeline.store.client import connect
    from pipeline.store.deadletters import DeadLetterStore

    settings = discover(load_settings())
    return DeadLetterStore(connect(settings.require_clickhouse()))
