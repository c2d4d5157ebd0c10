"""What is sent: a stream of messages drawn from a seed, as awkward as sources are.

Repeats, edits (some move ``published_at``), deletions, mentions that come back after a deletion, late and early ones,
mentions without an id of the source's, several brands, languages and tenants, skewed keys, poison. A second producer
sends messages of the first again and out of order, also an old revision after a newer one.

The truth must not depend on the order of arrival, which faults change. So messages of one (id, revision, deleted) are
byte for byte the same, and the greatest (revision, deleted) is the truth.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from schemas.ids import mention_id
from tests.chaos.poison import POISON

BRANDS: Final = {"lumora": "Lumora", "zentavo": "Zentavo", "kestrivo": "Kestrivo", "ostrela": "Ostrela"}
BRANDS_YAML: Final = "version: 1\nbrands:\n" + "".join(
    f"  - {{id: {ident}, name: {name}, names: [{name}]}}\n" for ident, name in BRANDS.items()
)
_BRAND_SETS: Final[tuple[tuple[str, ...], ...]] = (
    *[("lumora",)] * 8,  # one brand has most of the voice
    *[("zentavo",)] * 3,
    ("kestrivo",),
    ("ostrela",),
    ("lumora", "zentavo"),
    ("kestrivo", "lumora", "ostrela"),
    (),
)
_TEXTS: Final = (
    "{brand} just works, I love it",
    "el {brand} se rompió otra vez, qué vergüenza",
    "a {brand} atrasou de novo, péssimo",
    "{brand} ist heute angekommen",
    "le service de {brand} est vraiment excellent",
    "{brand} è arrivato ieri in negozio",
    "{brand} की सेवा बहुत खराब है",
    "{brand} の新製品はとても良い",
)
_SOURCES: Final = ("forum", "shop", "news")
_KNOWN: Final = 4_000
"""Mentions that may still be edited, repeated or deleted: a bound on memory."""
_LATE: Final = 500
"""Messages that the second producer holds back."""
_OLD_HOURS: Final = 40
"""Late mentions fall into so many hours of the last two years: each old window costs the sink a read of its own."""

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``reason`` is set for poison: why it must end among the dead letters. ``brands``: those it names."""

    kind: str
    value: bytes
    key: bytes | None
    brands: tuple[str, ...] = ()
    reason: str = ""
    producer: str = "a"


@dataclass(slots=True)
class _Known:
    number: int
    tenant: str
    source: str
    revision: int
    deleted: bool
    published_ms: int
    last: Message

    @property
    def key(self) -> bytes:
        return mention_id(self.tenant, self.source, f"m{self.number}", None, None, "").encode()


def workload(seed: int, total: int, now_ms: int) -> Iterator[Message]:
    """Yield ``total`` messages around ``now_ms`` (ms since 1970); the same arguments give the same bytes."""
    return _Author(random.Random(seed), now_ms).write(total)


class _Author:
    def __init__(self, rng: random.Random, now_ms: int) -> None:
        self._rng = rng
        self._now_ms = now_ms
        self._known: list[_Known] = []
        self._late: list[Message] = []
        self._number = 0
        hour = now_ms // _HOUR_MS * _HOUR_MS
        self._old_hours = [hour - rng.randrange(13, 2 * 365 * 24) * _HOUR_MS for _ in range(_OLD_HOURS)]

    def write(self, total: int) -> Iterator[Message]:
        rng = self._rng
        sent = 0
        while sent + len(self._late) < total:
            message = self._next()
            fate = rng.random()
            if fate < 0.03:  # only the second producer sends it, later
                self._late.append(replace(message, producer="b"))
            else:
                yield message
                sent += 1
                if fate < 0.07:  # ... sends it again
                    self._late.append(replace(message, producer="b", kind="duplicate"))
            if len(self._late) > _LATE:
                yield self._late.pop(rng.randrange(len(self._late)))
                sent += 1
        rng.shuffle(self._late)
        yield from self._late[: total - sent]

    def _next(self) -> Message:
        rng = self._rng
        kind = rng.random()
        if kind < 0.02:
            reason, make = rng.choice(POISON)
            self._number += 1
            return Message("poison", make(self._number, self._now_ms), None, reason=reason)
        if kind < 0.20 and self._known:
            # The cube prefers the first places: a few keys get a large part of all repeats.
            known = self._known[int(len(self._known) * rng.random() ** 3)]
            if kind < 0.10:
                return replace(known.last, kind="repeat")
            if kind < 0.17:
                return self._edit(known)
            return self._delete(known)
        if kind < 0.25:
            return self._without_id()
        return self._new()

    def _new(self) -> Message:
        self._number += 1
        tenant = "acme" if self._rng.random() < 0.1 else "default"
        known = _Known(
            self._number, tenant, self._rng.choice(_SOURCES), 0, False, self._moment(), Message("", b"", None)
        )
        known.last = self._say(known, "mention")
        if len(self._known) < _KNOWN:
            self._known.append(known)
        else:
            self._known[self._rng.randrange(_KNOWN)] = known
        return known.last

    def _edit(self, known: _Known) -> Message:
        kind = "back" if known.deleted else "edit"
        known.revision += 1
        known.deleted = False
        if self._rng.random() < 0.5:
            known.published_ms, kind = self._moment(), "move" if kind == "edit" else kind
        known.last = self._say(known, kind)
        return known.last

    def _delete(self, known: _Known) -> Message:
        if known.deleted:
            return replace(known.last, kind="repeat")
        known.deleted = True
        event = {
            "type": "mention_deleted",
            "tenant": known.tenant,
            "source": known.source,
            "id": f"m{known.number}",
            "revision": known.revision,
            "deleted_at": iso(self._now_ms),
        }
        known.last = Message("deletion", _json(event), known.key)
        return known.last

    def _say(self, known: _Known, kind: str) -> Message:
        brands = self._rng.choice(_BRAND_SETS)
        event = {
            "tenant": known.tenant,
            "source": known.source,
            "id": f"m{known.number}",
            "revision": known.revision,
            "text": self._text(brands, f"{known.number}.{known.revision}"),
            "published_at": iso(known.published_ms),
            "reach": self._rng.randrange(10_000),
        }
        return Message(kind, _json(event), known.key, brands)

    def _without_id(self) -> Message:
        self._number += 1
        brands = self._rng.choice(_BRAND_SETS)
        text, author, at = self._text(brands, str(self._number)), f"author{self._number % 97}", self._moment()
        event = {"source": "wire", "author": author, "text": text, "published_at": iso(at)}
        when = datetime.fromtimestamp(at / 1000, UTC)
        key = mention_id("default", "wire", None, author, when, text).encode()
        return Message("without id", _json(event), key, brands)

    def _text(self, brands: tuple[str, ...], mark: str) -> str:
        names = " & ".join(BRANDS[brand] for brand in brands) or "XY"
        text = self._rng.choice(_TEXTS).format(brand=names)
        # A third of the texts repeat, as they do in the wild.
        return text if self._rng.random() < 0.33 else f"{text} ({mark})"

    def _moment(self) -> int:
        """Publication in ms since 1970: mostly minutes ago; also hours ago, long ago, ahead, at edges of hours."""
        rng, now = self._rng, self._now_ms
        kind = rng.random()
        if kind < 0.70:
            return now - rng.randrange(20 * _MINUTE_MS)
        if kind < 0.85:
            return now - rng.randrange(10 * _HOUR_MS)
        if kind < 0.93:
            return rng.choice(self._old_hours) + rng.randrange(_HOUR_MS)
        if kind < 0.96:
            return now + rng.randrange(600_000)  # the workers accept 900 s
        edge = now // _HOUR_MS * _HOUR_MS - rng.randrange(8) * _HOUR_MS
        return edge - rng.randrange(2)


def iso(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode()
