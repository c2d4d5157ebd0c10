"""Records that are delivered once more: what they say about where they entered first.

A repair, a replay or a dead letter that is sent again is a new record of its topic, at an offset of its own, but not a
new mention: it keeps the origin of the first delivery, so that a later look finds one history. Both positions end in
the ledger (:mod:`pipeline.ledger`). All of it travels in headers, which every stage hands on unread, an older one too.

Whoever may write to the topic may set these headers; that is the right to send any mention, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from schemas.events import EventError, Origin, UtcTime

HEADER: Final = "babelwatch-redelivery"
"""On a record of the first topic: a :class:`Redelivery` in JSON."""
VIA: Final = "babelwatch-via"
"""On records behind it: a :class:`Via` in JSON."""
MAX_BYTES: Final = 8192
MOST_EARLIER: Final = 16
MAX_GENERATION: Final = 0xFFE
"""One less than schemas.ids.MAX_GENERATION, which marks a place that a mention has left."""

Headers = tuple[tuple[str, bytes], ...]


class Redelivery(Struct, frozen=True, kw_only=True):
    """Where a record entered first, and why it comes again: ``repair``, ``replay`` or ``dead_letter``."""

    origin: Origin
    reason: str
    received_at: UtcTime | None = None
    """When it was received first; None: when it comes again (a dead letter may have become valid since)."""
    earlier: tuple[Origin, ...] = ()
    """Where it came again before this, the last one first: a redelivery may be lost as well."""
    generation: Annotated[int, Meta(ge=0, le=MAX_GENERATION)] = 0
    """Of what is judged anew: it takes the place of what is stored with a lesser one at the same revision."""

    def replace_stored(self, generation: int) -> "Redelivery":
        """The same, so that what comes of it takes the place of what is stored."""
        return msgspec.structs.replace(self, generation=generation)

    def header(self) -> tuple[str, bytes]:
        """The header to send."""
        return HEADER, msgspec.json.encode(self)

    @classmethod
    def of_record(
        cls, position: Origin, headers: Iterable[tuple[str, bytes]], reason: str, received_at: datetime | None
    ) -> "Redelivery":
        """What to say when the record at ``position`` with these headers is sent again, for what it was sent before.

        ``received_at`` holds for one that comes again for the first time.
        """
        try:
            before = cls.of(headers)
        except EventError:
            before = None  # it became a dead letter for that; the header is not carried on
        if before is None:
            return cls(origin=position, reason=reason, received_at=received_at)
        return cls(
            origin=before.origin,
            reason=reason,
            received_at=before.received_at,
            earlier=(position, *before.earlier)[:MOST_EARLIER],
            generation=before.generation,
        )

    @classmethod
    def of(cls, headers: Iterable[tuple[str, bytes]]) -> "Redelivery | None":
        """What ``headers`` say, or None for a first delivery. Raises EventError (``bad_redelivery``)."""
        found = [value for name, value in headers if name == HEADER]
        if not found:
            return None
        try:
            if len(found[-1]) > MAX_BYTES:
                raise ValueError(f"{len(found[-1])} bytes")
            return msgspec.json.decode(found[-1], type=cls)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise EventError(
                "bad_redelivery", f"header {HEADER} is not what `babelwatch` writes into it: {error}"
            ) from None


class Via(Struct, frozen=True, kw_only=True):
    """What the stages behind the first one hand on of a redelivery."""

    positions: tuple[Origin, ...] = ()
    """Where the bytes came again, the last one first."""
    generation: Annotated[int, Meta(ge=0, le=MAX_GENERATION)] = 0

    def header(self) -> tuple[str, bytes]:
        """The header to send."""
        return VIA, msgspec.json.encode(self)


REASONS: Final = frozenset({"repair", "replay", "dead_letter"})


@dataclass(frozen=True)
class Delivery:
    """One delivery of a record: where it entered first, where it is now, and what is handed on."""

    reason: str
    """One of REASONS, ``other``, or empty for a first delivery."""
    origin: Origin
    received_at: datetime | None
    """Of the first delivery; None: of this one."""
    headers: Headers


def delivery(position: Origin, headers: Headers) -> Delivery:
    """The delivery of the record at ``position`` of the first topic. Raises EventError (``bad_redelivery``).

    A header ``babelwatch-via`` that came with it is nobody's: it is dropped.
    """
    again = Redelivery.of(headers)
    if again is None:
        if any(name == VIA for name, _ in headers):
            headers = without(headers)
        return Delivery("", position, None, headers)
    handed_on = Via(positions=(position, *again.earlier[:MOST_EARLIER]), generation=again.generation)
    reason = again.reason if again.reason in REASONS else "other"
    return Delivery(reason, again.origin, again.received_at, (*without(headers), handed_on.header()))


def without(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """``headers`` less those of redelivery."""
    return tuple((name, value) for name, value in headers if name not in {HEADER, VIA})


def via(headers: Iterable[tuple[str, bytes]]) -> Via:
    """What was handed on; nothing for a first delivery, or when it cannot be read."""
    for name, value in headers:
        if name == VIA and len(value) <= MAX_BYTES:
            try:
                return msgspec.json.decode(value, type=Via)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                break
    return Via()
