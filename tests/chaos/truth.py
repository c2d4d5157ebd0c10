"""What must be in ClickHouse, from the input file alone; pure. Of the product it uses :mod:`schemas.ids` only."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from schemas.ids import mention_id
from tests.chaos.inputs import Line


class State(NamedTuple):
    """The newest state of one mention that was sent."""

    revision: int
    deleted: bool
    published_ms: int
    brands: tuple[str, ...]
    source: str
    text: bytes
    """64-bit hash of the text."""
    line: int
    """Number of a message that said so."""


Key = tuple[str, bytes]
"""(tenant, mention id)."""


@dataclass
class Truth:
    """Everything that was sent, added up."""

    states: dict[Key, State] = field(default_factory=dict)
    poison: dict[int, tuple[str, bytes]] = field(default_factory=dict)
    """Number of a poison message -> (reason, 64-bit hash of its value)."""
    messages: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def ids(self) -> int:
        """Mentions that were ever sent, deleted ones too."""
        return len(self.states)

    @property
    def alive(self) -> int:
        """Mentions that must be counted."""
        return sum(not state.deleted for state in self.states.values())

    @property
    def repeats(self) -> int:
        """Messages about a mention that another message was about already."""
        return self.messages - len(self.poison) - self.ids

    def windows(self, seconds: int) -> Counter[tuple[str, int, str, str]]:
        """Mentions by (tenant, start of window in s since 1970, brand, source); brand ``""`` is each mention once."""
        found: Counter[tuple[str, int, str, str]] = Counter()
        for (tenant, _), state in self.states.items():
            if not state.deleted:
                start = state.published_ms // 1000 // seconds * seconds
                for brand in ("", *state.brands):
                    found[tenant, start, brand, state.source] += 1
        return found


def digest(value: bytes) -> bytes:
    """64-bit hash."""
    return hashlib.blake2b(value, digest_size=8).digest()


def truth_of(lines: Iterable[Line]) -> Truth:
    """Add up the messages: the greatest (revision, deleted) of a mention holds, whatever came last.

    Raises ValueError when two messages of one (revision, deleted) differ: then the input has no truth.
    """
    truth = Truth()
    brand_sets: dict[tuple[str, ...], tuple[str, ...]] = {}
    for line in lines:
        truth.messages += 1
        truth.kinds[line.kind] += 1
        if line.reason:
            truth.poison[line.n] = (line.reason, digest(line.value))
            continue
        event = json.loads(line.value)
        tenant, source, revision = event.get("tenant", "default"), event["source"], event.get("revision", 0)
        brands = brand_sets.setdefault(line.brands, tuple(sorted(line.brands)))
        if event.get("type") == "mention_deleted":
            ident = mention_id(tenant, source, event["id"], None, None, "")
            state = State(revision, True, 0, (), source, b"", line.n)
        else:
            at = datetime.fromisoformat(event["published_at"])
            ident = mention_id(tenant, source, event.get("id"), event.get("author"), at, event["text"])
            published_ms = round(at.timestamp() * 1000)
            state = State(revision, False, published_ms, brands, source, digest(event["text"].encode()), line.n)
        key = (tenant, bytes.fromhex(ident))
        known = truth.states.get(key)
        if known is None or state[:2] > known[:2]:
            truth.states[key] = state
        elif state[:2] == known[:2] and state[:6] != known[:6]:
            raise ValueError(f"messages {known.line} and {line.n} say different things of one revision of {ident}")
    return truth
