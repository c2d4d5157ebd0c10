"""What replay and fix share: choose, ask, send with progress, say what could not be sent."""

import sys
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from pipeline.cli.dead.parse import format_origin
from pipeline.cli.dead.select import confirm, connected, find_one, pages, settings_here, wanted
from pipeline.dead.mend import sending
from pipeline.errors import InputError, LinesRejected
from pipeline.kafka.deadletter import DeadLetter
from pipeline.terminal import printable

if TYPE_CHECKING:
    from pipeline.dead.resend import Resent

SHOWN = 10


class Selected(NamedTuple):
    """Letters as they were named on the command line."""

    origins: tuple[str, ...]
    every: bool
    chosen: dict[str, str | None]

    def check(self) -> None:
        """Raise InputError unless it names letters in one way."""
        if bool(self.origins) == self.every:
            raise InputError("name the letters: ORIGIN..., or --all (with filters)")
        if self.origins and any(self.chosen.values()):
            raise InputError("filters go with --all, not with ORIGIN")

    def load(self, client: Any) -> tuple[int, Callable[[], Iterator[list[DeadLetter]]]]:  # noqa: ANN401 - a driver's client
        """How many letters, and their pages: none that dies or arrives later. Raises InputError."""
        from pipeline.store.deadletters import DeadLetterStore

        if self.every:
            store = DeadLetterStore(client)
            chosen = store.as_of_now(wanted("open", **self.chosen))
            return store.total(chosen), lambda: pages(client, chosen)
        named = {letter.origin: letter for letter in (find_one(client, origin) for origin in self.origins)}
        return len(named), lambda: iter([list(named.values())])


def run(
    selected: Selected,
    what: str,
    *,
    rate: float,
    dry_run: bool,
    yes: bool,
    mend: Callable[[DeadLetter], bytes] | None = None,
    show: Callable[[DeadLetter, bytes], str] | None = None,
) -> None:
    """Send the letters, mended by ``mend``; ``show`` says what that changes. Raises BabelwatchError, exits with 130."""
    from pipeline.dead.resend import resend
    from pipeline.kafka.admin import read_incarnation
    from pipeline.kafka.offsets import OffsetReader
    from pipeline.kafka.redeliver import Redeliverer
    from pipeline.sources.backfill_meter import Meter
    from pipeline.sources.interrupt import Interruptions
    from pipeline.sources.pace import Pace, PacePolicy, waiting_messages
    from pipeline.store.dead_actions import DeadActions

    selected.check()
    settings = settings_here()
    client = connected()
    total, letters = selected.load(client)
    if not total:
        click.echo("no open dead letters match")
        return
    _preview(next(letters(), [])[:SHOWN], mend, show, always=dry_run)
    if dry_run:
        click.echo(f"{total:,} dead letters would be sent" + (f"; {SHOWN} are shown" if total > SHOWN else ""))
        return
    confirm(what, total, yes)
    stops = Interruptions("stopping: what was sent is being confirmed")
    settings.require_kafka()
    incarnation = read_incarnation(settings)
    with OffsetReader(settings) as reader, Redeliverer(settings, incarnation, "dead_letter") as redeliverer, stops:
        meter = Meter("dead letters", total)
        done = 0

        def sleep(seconds: float) -> None:
            meter.show()
            with stops.waiting():
                time.sleep(seconds)

        pace = Pace(PacePolicy(rate), lambda: waiting_messages(reader), sleep=sleep, stalled=meter.stalled)
        meter.rows_done = lambda: done

        def before_each() -> None:
            nonlocal done
            stops.check()
            pace.wait()
            done += 1
            meter.show()

        actions = DeadActions(client, uuid.uuid4().hex)
        try:
            result = resend(letters(), redeliverer, actions, mend or (lambda letter: None), before_each)
        except KeyboardInterrupt:
            meter.end()
            print("stopped; what was sent is written down, the same command goes on", file=sys.stderr)
            sys.exit(130)
        meter.end()
    _report(result, total)


def _report(result: "Resent", total: int) -> None:
    if result.sent:
        click.echo(
            f"{result.sent:,} sent; one that dies again is in `babelwatch dead list` again, where the others ended "
            "says `babelwatch reconcile`"
        )
    for letter, why in result.refused[:SHOWN]:
        print(f"not sent: {format_origin(letter.origin)}: {printable(why)}", file=sys.stderr)
    if result.refused:
        raise LinesRejected(f"{len(result.refused):,} of {total:,} cannot be sent as they are; they stay open")


def _preview(
    letters: list[DeadLetter],
    mend: Callable[[DeadLetter], bytes] | None,
    show: Callable[[DeadLetter, bytes], str] | None,
    *,
    always: bool,
) -> None:
    """Say what changes, or (``always``) at least where each goes."""
    if show is None and not always:
        return
    for letter in letters:
        try:
            one = sending(letter, None if mend is None else mend(letter))
            print(f"{format_origin(letter.origin)} to {one.topic}" + (f"\n{show(letter, one.value)}" if show else ""))
        except InputError as error:
            print(f"{format_origin(letter.origin)}: {printable(str(error))}", file=sys.stderr)
