"""``babelwatch dead show``: one letter with its bytes, which are hostile, and its history."""

import json
import sys
from datetime import UTC
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.dead.select import as_dict, connected, find
from pipeline.errors import InputError
from pipeline.kafka.deadletter import DeadLetter
from pipeline.terminal import printable, printable_bytes

if TYPE_CHECKING:
    from pipeline.store.dead_actions import Done

SHOWN_BYTES = 16_384


@click.command()
@click.argument("origin")
@click.option("--json", "as_json", is_flag=True, help="As JSON; the bytes in base64.")
@click.option("--raw", is_flag=True, help="The bytes as they are, into a file or a pipe (never onto a terminal).")
def show(origin: str, as_json: bool, raw: bool) -> None:
    """Show the dead letter of ORIGIN (TOPIC/PARTITION/OFFSET[@BROKER]): why, and its bytes, safely escaped."""
    if raw and sys.stdout.isatty():
        raise InputError("these bytes may control a terminal: send them elsewhere, e.g. `... --raw > letter.bin`")
    from pipeline.store.dead_actions import DeadActions

    client = connected()
    letter, others = find(client, origin)
    if others:
        print(
            f"more brokers had a dead letter there; this is the newest, the others: {', '.join(others)}",
            file=sys.stderr,
        )
    history = DeadActions(client, "").history(letter.origin)
    if raw:
        sys.stdout.buffer.write(letter.value)
    elif as_json:
        print(json.dumps(as_dict(letter, value=True) | {"history": [_done(one) for one in history]}, indent=1))
    else:
        _print(letter, history)


def _done(one: "Done") -> dict[str, Any]:
    return {
        "action": one.action,
        "at": one.at.isoformat(timespec="milliseconds"),
        "by": one.by,
        "note": one.note,
        "sha256": one.sha256,
        "failed_at": one.failed_at.isoformat(timespec="milliseconds"),
    }


def _print(letter: DeadLetter, history: "list[Done]") -> None:
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
    for one in history:
        what = f"{one.action} {one.at.isoformat(timespec='milliseconds')} by {one.by}"
        print(f"{'history'.ljust(width)}  {printable(what + (f': {one.note}' if one.note else ''))}")
    print()
    print(printable_bytes(letter.value, SHOWN_BYTES))
