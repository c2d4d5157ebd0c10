"""Dead letters on their way to ``mentions.dead``, and what ends with them."""

import logging
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from agents.incoming import Headers, Incoming
from agents.outbox import Outgoing
from pipeline.kafka.deadletter import CUT_HEADER, PREFIX, DeadLetter
from pipeline.kafka.redelivery import HEADER, via
from pipeline.kafka.topics import DEAD, DETECTED, SCORED
from pipeline.metrics import DEAD_LETTERS
from schemas.events import Origin

log = logging.getLogger(__name__)


class _Between(Struct):
    """Of an event between two stages, whatever else is wrong with it: where its message entered."""

    origin: Origin | None = None


_between = msgspec.json.Decoder(_Between)


def dead_letter(message: Incoming, origin: Origin, stage: str, reason: str, error: str) -> DeadLetter:
    """Return ``message`` as a dead letter of ``origin``, stamped with our clock."""
    return DeadLetter(
        value=message.value,
        key=message.key,
        origin=origin,
        stage=stage,
        reason=reason,
        error=error,
        failed_at=datetime.now(UTC),
        headers=message.headers,
    )


def outgoing(letter: DeadLetter) -> Outgoing:
    """Return the record of a dead letter, counted and logged once.

    One that is too large even for the dead-letter topic is cut, and says so in a header: its facts matter more than
    its last megabyte.
    """
    DEAD_LETTERS.labels(letter.stage, letter.reason).inc()
    log.warning(
        "dead letter: %s at %s/%d/%d: %s",
        letter.reason,
        letter.origin.topic,
        letter.origin.partition,
        letter.origin.offset,
        letter.error[:200],
    )
    return _record(letter.value, letter.key, tuple(letter.to_headers()), len(letter.value))


def _record(value: bytes, key: bytes | None, headers: Headers, size: int) -> Outgoing:
    """Return the record, which halves its value for as long as the broker finds it too large."""

    def smaller(why: str) -> Outgoing:
        # The original key and headers go too: any of them may be what is too large. Our facts stay.
        ours = tuple((name, value) for name, value in headers if name.startswith(PREFIX))
        return _record(value[: len(value) // 2], None, (*ours, (CUT_HEADER, str(size).encode())), size)

    return Outgoing(DEAD, key, value, headers, instead=smaller if value else None)


def ended_with(letter: DeadLetter) -> list[Origin]:
    """Every position that has ended when ``letter`` has: its own, and where the same message entered or came again.

    A letter of a later stage about an event that cannot be decoded is kept under the event's own position. Where the
    message entered the event says itself, if that much of it can be read.
    """
    positions = [letter.origin]
    # Beside a header that made it a dead letter, the other one is the sender's, not a stage's.
    if all(name != HEADER for name, _ in letter.headers):
        positions += via(letter.headers).positions
    if letter.origin.topic in {DETECTED, SCORED}:
        try:
            entered = _between.decode(letter.value).origin
        except (msgspec.MsgspecError, ValueError, RecursionError):
            entered = None
        positions += [entered] if entered is not None else []
    return positions
