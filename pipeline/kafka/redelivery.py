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
"""On records behind it: the position (an Origin in JSON) at which the bytes came again."""
MAX_BYTES: Final = 2048

Headers = tuple[tuple[str, bytes], ...]


class Redelivery(Struct, frozen=True, kw_only=True):
    """Where a record entered first, and why it comes again: ``repair``, ``replay`` or ``dead_letter``."""

    origin: Origin
    reason: str
    received_at: UtcTime | None = None
    """When it was received first; None: when it comes again (a dead letter may have become valid since)."""

    def header(self) -> tuple[str, bytes]:
        """The header to send."""
        return HEADER, msgspec.json.encode(self)

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
    return Delivery(again.origin, again.received_at, (*without(headers), (VIA, msgspec.json.encode(position))))


def without(headers: Iterable[tuple[str, bytes]]) -> Headers:
    """``headers`` less those of redelivery."""
    return tuple((name, value) for name, value in headers if name not in {HEADER, VIA})


def via(headers: Iterable[tuple[str, bytes]]) -> Origin | None:
    """The position at which the bytes came again, or None. One that cannot be read counts as none."""
    for name, value in headers:
        if name == VIA and len(value) <= MAX_BYTES:
            try:
                return msgspec.json.decode(value, type=Origin)
            except (msgspec.MsgspecError, ValueError, RecursionError):
                return None
    return None
