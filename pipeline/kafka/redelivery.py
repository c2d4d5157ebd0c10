"""Records that are delivered once more: what they say about where they entered first.

A repair, a replay or a dead letter that is sent again is a new record of its topic, at an offset of its own, but not a
new mention: it keeps the origin of the first delivery, so that a later look finds one history. Both positions end in
the ledger (:mod:`pipeline.ledger`). All of it travels in headers, which every stage hands on unread, an older one too.

Whoever may write to the topic may set these headers; that is the right to send any mention, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from schemas.events import EventError, Origin, UtcTime

HEADER: Final = "babelwatch-redelivery"
"""On a record of the first topic: a :class:`Redelivery` in JSON."""
VIA: Final = "babelwatch-via"
"""On records behind it: the positions (Origins in JSON, the last one first) at which the bytes came again."""
MAX_BYTES: Final = 8192
MOST_EARLIER: Final = 16

Headers = tuple[tuple[str, bytes], ...]


class Redelivery(Struct, frozen=True, kw_only=True):
    """Where a record entered first, and why it comes again: ``repair``, ``replay`` or ``dead_letter``."""

    origin: Origin
    reason: str
    received_at: UtcTime | None = None
    """When it was received first; None: when it comes again (a dead letter may have become valid since)."""
    earlier: tuple[Origin, ...] = ()
    """Where it came again before this, the last one first: a redelivery may be lost as well."""

    def header(self) -> tuple[str, bytes]:
        """The header to send."""
        return HEADER, msgspec.json.encode(self)

    @classmethod
    def of_record(
        cls, position: Origin, headers: Iterable[tuple[str, bytes]], reason: str, received_at: datetime | None
    ) -> "Redelivery":
        """What to say when the record at ``position`` with these headers is sent again."""
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


@dataclass(frozen=True)
class Delivery:
    """One delivery of a record: where it entered first, where it is now, and what is handed on."""

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
        return Delivery(position, None, headers)
    positions = (position, *again.earlier[:MOST_EARLIER])
    return Delivery(again.origin, again.received_at, (*without(headers), (VIA, msgspec.json.encode(positions))))


def without(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """``headers`` less those of redelivery."""
    return tuple((name, value) for name, value in headers if name not in {HEADER, VIA})


def via(headers: Iterable[tuple[str, bytes]]) -> list[Origin]:
    """The positions at which the bytes came again; none for a first delivery, or when they cannot be read."""
    for name, value in headers:
        if name == VIA and len(value) <= MAX_BYTES:
            try:
                return msgspec.json.decode(value, type=list[Origin])
            except (msgspec.MsgspecError, ValueError, RecursionError):
                return []
    return []
