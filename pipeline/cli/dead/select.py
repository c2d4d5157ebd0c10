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

if TYPE_CHECKING:
    from clickhouse_driver import Client

    from pipeline.store.deadletters import Filter

PAGE: Final = 200
"""Letters in memory at a time: each may have 4 MiB."""


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


def connected() -> "Client":
    """A client of ClickHouse. Raises SettingsError; connecting errors come with the first query."""
    from pipeline.store.client import connect

    return connect(settings_here().require_clickhouse())


def find(client: "Client", origin: str) -> tuple[DeadLetter, list[str]]:
    """The letter at ORIGIN, the newest where several brokers had one, and the places of the others.

    Raises InputError when there is none.
    """
    from pipeline.store.deadletters import DeadLetterStore, Filter

    place = parse_origin(origin)
    letters = DeadLetterStore(client).list(Filter(state="all", place=place[:3]), limit=100)
    found = [letter for letter in letters if letter.origin.incarnation.startswith(place.incarnation)]
    if not found:
        raise InputError(f"no dead letter at {printable(origin, 80)}: `babelwatch dead list` shows which there are")
    return found[0], [format_origin(other.origin) for other in found[1:]]


def pages(client: "Client", chosen: "Filter") -> Iterator[list[DeadLetter]]:
    """Yield all letters that match, the oldest first, a page at a time. What changes meanwhile is not met twice."""
    from pipeline.store.deadletters import DeadLetterStore

    store = DeadLetterStore(client)
    after: DeadLetter | None = None
    while page := store.list(chosen, limit=PAGE, after=after, oldest=True):
        yield page
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
