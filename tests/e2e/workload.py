"""5,000 messages with repeats, edits, moves, deletions and poison, and what must be true after them.

The expectation is computed here from the messages alone, in plain Python: it shares no code with the pipeline but the
event types and the ids, so that a wrong count in the store cannot hide in its own checker.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from schemas.events import Mention, MentionDeleted
from schemas.ids import mention_id

BRANDS_YAML = """
version: 1
brands:
  - {id: lumora, name: Lumora, names: [Lumora, ルモラ, लुमोरा]}
  - {id: zentavo, name: Zentavo, names: [Zentavo]}
"""

OPENINGS = (
    ("{brand} just works, I love it", "en"),
    ("el {brand} se rompió otra vez, qué vergüenza", "es"),
    ("a {brand} atrasou de novo, péssimo", "pt"),
    ("{brand} ist heute angekommen", "de"),
    ("le service de {brand} est vraiment excellent", "fr"),
    ("{brand} è arrivato ieri in negozio", "it"),
    ("{brand} की सेवा बहुत खराब है", "hi"),
    ("{brand} の新製品はとても良い", "ja"),
)
BRAND_SETS = (("lumora",), ("zentavo",), ("lumora", "zentavo"), ())
NAMES = {"lumora": "Lumora", "zentavo": "Zentavo"}
POISON = (
    b"\xff\xfe not utf-8",
    b"{not json",
    b'{"source": "e2e", "text": "no date"}',
    b'{"source": "e2e", "published_at": "2026-01-01T00:00:00Z", "text": 7}',
    b'{"source": "e2e", "published_at": "9999-01-01T00:00:00Z", "text": "far away"}',
    b'{"version": 99, "source": "e2e", "published_at": "2026-01-01T00:00:00Z", "text": "tomorrow"}',
    b"[" * 10_000,
    b'{"source": "e2e", "published_at": "2026-01-01T00:00:00Z", "text": "\\ud800"}',
)


@dataclass
class Workload:
    """Messages in the order of sending, and the truth after all of them."""

    messages: list[tuple[str, Mention | MentionDeleted | bytes]] = field(default_factory=list)
    """(mention id, or '' for poison; what is sent)."""
    alive: dict[str, tuple[datetime, frozenset[str], str]] = field(default_factory=dict)
    """Mention id -> (published_at, brands, text) of what must be counted."""
    ids: set[str] = field(default_factory=set)
    poison: int = 0

    @property
    def repeats(self) -> int:
        """Messages of an id that was sent before: the same again, edits, deletions."""
        return len(self.messages) - self.poison - len(self.ids)

    def by_minute(self) -> Counter[datetime]:
        """Mentions by minute of their own time."""
        return Counter(when.replace(second=0, microsecond=0) for when, _, _ in self.alive.values())

    def by_brand(self) -> Counter[str]:
        """Mentions by brand; one that names two brands is in both."""
        return Counter(brand for _, brands, _ in self.alive.values() for brand in brands)


def build(total: int, seed: int, now: datetime) -> Workload:
    """Return ``total`` messages over the last 20 minutes before ``now``; the same seed gives the same."""
    rng = random.Random(seed)
    load = Workload()
    newest: dict[str, Mention] = {}
    sent: list[Mention] = []

    def text(n: int, brands: tuple[str, ...]) -> str:
        opening, _ = rng.choice(OPENINGS)
        named = opening.format(brand=" & ".join(NAMES[b] for b in brands) or "XY")
        # a third of the texts repeat, as they do in the wild
        return named if n % 3 == 0 else f"{named} ({n})"

    def moment() -> datetime:
        at = now - timedelta(seconds=rng.uniform(0, 1200))
        return at.replace(microsecond=at.microsecond // 1000 * 1000).astimezone(UTC)

    def send(event: Mention) -> None:
        ident = mention_id(event.tenant, event.source, event.id, event.author, event.published_at, event.text)
        load.ids.add(ident)
        load.messages.append((ident, event))
        sent.append(event)
        known = newest.get(ident)
        if known is None or event.revision > known.revision:
            newest[ident] = event
            brands = frozenset(b for b in NAMES if NAMES[b] in event.text)
            load.alive[ident] = (event.published_at, brands, event.text)

    deleted: set[str] = set()
    n = 0
    while len(load.messages) < total:
        n += 1
        kind = rng.random()
        candidates = [m for m in sent[-400:] if m.id not in deleted]
        if kind < 0.06 and candidates:  # the same again
            again = rng.choice(candidates)
            load.messages.append((mention_id("default", "e2e", again.id, None, None, ""), again))
        elif kind < 0.10 and candidates:  # an edit, half of them with another date
            old = rng.choice(candidates)
            ident = mention_id("default", "e2e", old.id, None, None, "")
            latest = newest[ident]
            send(
                Mention(
                    source="e2e",
                    id=old.id,
                    revision=latest.revision + 1,
                    text=text(n, rng.choice(BRAND_SETS)) + " EDIT",
                    published_at=moment() if rng.random() < 0.5 else latest.published_at,
                )
            )
        elif kind < 0.12 and candidates:  # gone
            old = rng.choice(candidates)
            assert old.id is not None
            ident = mention_id("default", "e2e", old.id, None, None, "")
            deleted.add(old.id)
            gone = MentionDeleted(source="e2e", id=old.id, revision=newest[ident].revision, deleted_at=now)
            load.messages.append((ident, gone))
            load.alive.pop(ident, None)
        elif kind < 0.14:
            load.poison += 1
            load.messages.append(("", rng.choice(POISON)))
        else:
            send(Mention(source="e2e", id=f"m{n}", text=text(n, rng.choice(BRAND_SETS)), published_at=moment()))
    return load
