"""What a source says beyond the fields that this build knows: kept within bounds, for a newer stage behind this one.

An older language worker must not lose what a newer sentiment worker or sink could read, so unknown fields of a mention
travel on. They are untrusted, which decides their form:

- under ``source_fields``, a namespace of their own: at the top of our event a source could write any field that a
  later version of ours gives a meaning;
- few and small (:class:`Bounds`): each message is written to two more topics;
- only what every later reader can decode: no lone surrogates, no NUL, no nesting that ends in a RecursionError;
- never of a deletion: a deletion is there to leave nothing behind.

What is not kept is counted, and is still in topic ``mentions`` as it came.
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from pipeline.metrics import SOURCE_FIELDS
from schemas.carry import fields_of
from schemas.events import Mention, MentionDeleted, SourceEvent

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_KNOWN: Final = frozenset(Mention.__struct_fields__)
_KNOWN_DELETION: Final = frozenset(MentionDeleted.__struct_fields__)

SourceFields = dict[str, msgspec.Raw]


@dataclass(frozen=True)
class Bounds:
    """How much of one mention is kept, in its own order; a field that does not fit is left out, the next one tried."""

    max_bytes: int = 4096
    """Names and values together, as written by the source; 0 keeps nothing."""
    max_fields: int = 32
    max_brackets: int = 64
    """``[`` and ``{`` in one value: a bound of its depth that costs no parsing."""


class Keeper:
    """Picks the unknown fields of a mention, and counts what it keeps and drops."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def of(self, event: SourceEvent, raw: bytes) -> SourceFields | msgspec.UnsetType:
        """Return the unknown fields of ``event``, which was decoded from ``raw``; UNSET where none is kept.

        The same bytes give the same fields. Never raises: what cannot be read is dropped.
        """
        known = _KNOWN_DELETION if isinstance(event, MentionDeleted) else _KNOWN
        try:
            fields = fields_of(raw)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            SOURCE_FIELDS.labels("dropped").inc()
            return msgspec.UNSET
        if fields.keys() <= known:
            return msgspec.UNSET
        found = {name: value for name, value in fields.items() if name not in known}
        kept = {} if isinstance(event, MentionDeleted) else self._within_bounds(found)
        SOURCE_FIELDS.labels("kept").inc(len(kept))
        SOURCE_FIELDS.labels("dropped").inc(len(found) - len(kept))
        return kept or msgspec.UNSET

    def _within_bounds(self, found: SourceFields) -> SourceFields:
        kept: SourceFields = {}
        left = self._bounds.max_bytes
        for name, value in found.items():
            if len(kept) == self._bounds.max_fields:
                break
            size = len(name) + len(bytes(value))
            if size <= left and _NAME.fullmatch(name) and self._harmless(bytes(value)):
                # a copy: the value is a view of the whole message, which it would keep in memory
                kept[name] = value.copy()
                left -= size
        return kept

    def _harmless(self, value: bytes) -> bool:
        if value.count(b"[") + value.count(b"{") > self._bounds.max_brackets or b"\\u0000" in value:
            return False
        try:
            msgspec.json.decode(value)
        except (msgspec.DecodeError, RecursionError):
            return False
        return True
