"""Which letters a command is about: by place, or by filters; read in pages, never all at once."""

import base64
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline.cli.dead.parse import format_origin, parse_origin, parse_since
from pipeline.errors import InputError
from pipeline.kafka.deadletter import DeadLetter
from pipeline.local import discover
from pipeline.settings import Settings, load_settings
from pipeline.terminal import printable
from schemas.events import Origin

if TYPE_CHECKING:
    from clickhouse_driver import Client

    from pipeline.store.deadletters import Filter

PAGE: Final = 200
"""Letters in memory at a time: each may have 4 MiB."""
CANDIDATES: Final = 10
"""Letters of one place that are named at most."""


def filters(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that every command with many letters has; see :func:`wanted`."""
    for option in (
        click.option("--contains", metavar="TEXT", help="Only those whose bytes contain this text."),
        click.option("--until", metavar="TIME", help="Only those that failed before."),
        click.option("--since", metavar="TIME", help="Only those that failed since: 30m, 2h, 7d, or a time."),
        click.option("--topic", help="Only those that entered in this topic."),
        click.option("--stage", help="Only this stage: language, sentiment or sink."),
        click.option("--reason", help="Only this reason, e.g. not_json."),
    ):
        command = option(command)
    return command


def wanted(
    state: str,
    reason: str | None,
    stage: str | None,
    topic: str | None,
    since: str | None,
    until: str | None,
    contains: str | None,
) -> "Filter":
    """The filter that the options say. Raises InputError."""
    from pipeline.store.deadletters import Filter

    now = datetime.now(UTC)
    return Filter(
        state=state,  # type: ignore[arg-type] # click's choice
        reason=reason,
        stage=stage,
        topic=topic,
        since=parse_since(since, now) if since else None,
        until=parse_since(until, now, "--until") if until else None,
        contains=contains.encode("utf-8", "surrogateescape") if contains else None,
    )


def settings_here() -> Settings:
    """Settings, with the addresses of the stack that runs on this machine where none are given."""
    return discover(load_settings())


def connected(timeout_s: float = 60.0) -> "Client":
    """A client of ClickHouse that waits so long for a reply. Raises SettingsError; others come with the first query."""
    from pipeline.store.client import connect

    return connect(settings_here().require_clickhouse(), timeout_s=timeout_s)


def find(client: "Client", origin: str) -> tuple[DeadLetter, list[str]]:
    """The letter at ORIGIN, the newest where several brokers had one, and the places of the others.

    Raises InputError when there is none.
    """
    found = _at(client, origin)
    return found[0], [format_origin(other.origin) for other in found[1:]]


def find_one(client: "Client", origin: str) -> DeadLetter:
    """The letter at ORIGIN. Raises InputError when there is none, or when several brokers had one there.

    Open or not: who wants one erased that was purged before must not erase another's that is open.
    """
    found = _at(client, origin)
    if len(found) == 1:
        return found[0]
    short = [format_origin(letter.origin) for letter in found]
    # Names that are cut alike would be refused again.
    names = short if len(set(short)) == len(short) else [as_dict(letter)["origin"] for letter in found]
    raise InputError(
        f"{printable(origin, 80)} is the place of {len(found):,} letters, of as many brokers; name one of them: "
        + ", ".join(
            f"{printable(name)} (failed {letter.failed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC)"
            for name, letter in zip(names[:CANDIDATES], found, strict=False)
        )
        + (f" and {len(found) - CANDIDATES:,} more" if len(found) > CANDIDATES else "")
    )


def _at(client: "Client", origin: str) -> list[DeadLetter]:
    """All letters that ORIGIN may mean, the newest first. Raises InputError when there is none."""
    from pipeline.store.deadletters import DeadLetterStore, Filter

    place = parse_origin(origin)
    found = DeadLetterStore(client).list(
        Filter(state="all", place=place[:3], broker=place.incarnation or None), limit=100
    )
    if not found:
        raise InputError(f"no dead letter at {printable(origin, 80)}: `babelwatch dead list` shows which there are")
    return [letter for letter in found if letter.origin.incarnation == place.incarnation] or found


def pages(client: "Client", chosen: "Filter") -> Iterator[list[DeadLetter]]:
    """Yield all letters that match, the oldest first, a page at a time; each origin once.

    One that dies again meanwhile comes later in this order, or not at all where the worker's clock is behind.
    """
    from pipeline.store.deadletters import DeadLetterStore

    store = DeadLetterStore(client)
    after: DeadLetter | None = None
    met: set[Origin] = set()
    while page := store.list(chosen, limit=PAGE, after=after, oldest=True):
        if fresh := [letter for letter in page if letter.origin not in met]:
            yield fresh
        met.update(letter.origin for letter in fresh)
        after = page[-1]


def confirm(what: str, number: int, yes: bool) -> None:
    """Ask before something is done to more than one letter. Raises InputError where nobody can answer."""
    if yes or number <= 1:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{what} {number:,} dead letters: add --yes where nobody can be asked")
    if not click.confirm(f"{what} {number:,} dead letters?", err=True):
        raise click.exceptions.Exit(130)


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
