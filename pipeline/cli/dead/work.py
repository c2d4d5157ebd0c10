"""What replay and fix share: choose, ask, send with progress, say what could not be sent."""

import itertools
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
from schemas.events import Origin

if TYPE_CHECKING:
    from pipeline.dead.resend import Resent

SHOWN = 10
Mend = Callable[[DeadLetter], bytes]
"""The bytes to send for a letter. Raises InputError when it cannot be mended."""
Show = Callable[[DeadLetter, bytes], str]
"""What those bytes change, for people."""


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
    mend: Mend | None = None,
    show: Show | None = None,
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
    if dry_run:
        _rehearse(letters(), mend, show)
        return
    if show is not None:
        for letter in next(letters(), [])[:SHOWN]:
            if (why := _preview(letter, mend, show)) is not None:
                print(f"{format_origin(letter.origin)}: {printable(why)}", file=sys.stderr)
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
    _refuse([(letter.origin, why) for letter, why in result.refused[:SHOWN]], len(result.refused), total)


def _refuse(some: list[tuple[Origin, str]], number: int, total: int) -> None:
    """Name ``some`` of the ``number`` that cannot be sent. Raises LinesRejected unless that is 0."""
    for origin, why in some:
        print(f"not sent: {format_origin(origin)}: {printable(why)}", file=sys.stderr)
    if number:
        raise LinesRejected(f"{number:,} of {total:,} cannot be sent as they are; they stay open")


def _rehearse(letters: Iterator[list[DeadLetter]], mend: Mend | None, show: Show | None) -> None:
    """Do everything with all letters but send them, say what would be sent, and raise what the real run would."""
    able = unable = 0
    refused: list[tuple[Origin, str]] = []
    for letter in itertools.chain.from_iterable(letters):
        why = _preview(letter, mend, show, quiet=able >= SHOWN)
        if why is None:
            able += 1
            continue
        unable += 1
        if len(refused) < SHOWN:
            refused.append((letter.origin, why))
    click.echo(f"{able:,} dead letters would be sent" + (f"; {SHOWN} are shown" if able > SHOWN else ""))
    _refuse(refused, unable, able + unable)


def _preview(letter: DeadLetter, mend: Mend | None, show: Show | None, *, quiet: bool = False) -> str | None:
    """Say, unless ``quiet``, where a letter goes and what changes; return why it cannot be sent, or None."""
    try:
        one = sending(letter, None if mend is None else mend(letter))
    except InputError as error:
        return str(error)
    if not quiet:
        print(f"{format_origin(letter.origin)} to {one.topic}" + (f"\n{show(letter, one.value)}" if show else ""))
    return None
