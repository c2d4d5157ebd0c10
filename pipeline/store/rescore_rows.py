"""What a rescore reads, and by what it shall be judged; a stored row as an event without a judgement; pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pipeline.store import rows as r
from schemas.events import BrandMatch, Judgement, Language, Origin, ScoredMention, scored_version

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
ALWAYS: Final = (-2_208_988_800_000, 10_413_792_000_000)
"""The years 1900 to 2299 in ms since 1970: all that a table holds."""
LAST_GENERATION: Final = r.LOST - 1

Place = tuple[int, str]
"""(published_at in ms, mention id): where reading stands within a tenant."""
START: Final[Place] = (ALWAYS[0], "00000000-0000-0000-0000-000000000000")


@dataclass(frozen=True)
class Selection:
    """Which mentions: published in [since_ms, until_ms), of one brand, language or tenant where it is given."""

    since_ms: int = ALWAYS[0]
    until_ms: int = ALWAYS[1]
    brand: str = ""
    language: str = ""
    tenant: str = ""

    def where(self) -> str:
        """SQL over ``mentions``, with the names of :meth:`parameters`."""
        found = "is_deleted = 0 AND published_at < fromUnixTimestamp64Milli(toInt64(%(until)s), 'UTC')"
        found += " AND tenant = %(tenant)s" if self.tenant else ""
        found += " AND has(brands, %(brand)s)" if self.brand else ""
        return found + (" AND language = %(language)s" if self.language else "")

    def parameters(self) -> dict[str, Any]:
        """Values of :meth:`where`."""
        return {
            "since": self.since_ms,
            "until": self.until_ms,
            "brand": self.brand,
            "language": self.language,
            "tenant": self.tenant,
        }


@dataclass(frozen=True)
class Target:
    """What the mentions shall be judged by. ``rule`` is the whole name, ``base`` without what was switched on."""

    model: str
    rule: str
    base: str

    @property
    def pattern(self) -> str:
        """Names of rules (RE2) under which a mention of this model counts as judged so.

        A live worker that follows its stream's class mix adds the mix to the name; a rescore does not know that mix.
        """
        suffix = self.rule.removeprefix(self.base)
        return f"^{re.escape(self.base)}(\\+mix-[0-9a-f]+)?{re.escape(suffix)}$"

    def parameters(self) -> dict[str, Any]:
        """Values of :data:`CURRENT` and :data:`FIXED`."""
        return {"model": self.model, "pattern": self.pattern, "by_hand": 1 << 56, "last": LAST_GENERATION}


# SQL over `mentions`, with the names of Target.parameters and Selection.parameters.
CURRENT: Final = "(model = %(model)s AND match(rule, %(pattern)s))"
FIXED: Final = "(truth >= %(by_hand)s OR bitAnd(truth, 4095) >= %(last)s)"
SINCE: Final = "published_at >= fromUnixTimestamp64Milli(toInt64(%(since)s), 'UTC')"


@dataclass(frozen=True)
class Survey:
    """The mentions of a selection by what is to be done with them."""

    current: int = 0
    """Judged so already."""
    by_rule: int = 0
    """Of the target's model under another rule: their log-probabilities are stored."""
    by_model: int = 0
    """Of other models."""
    fixed: int = 0
    """Corrected by a person (or judged 4,094 times): left alone."""

    @property
    def remaining(self) -> int:
        """What a run would judge."""
        return self.by_rule + self.by_model

    @property
    def total(self) -> int:
        """All of them."""
        return self.current + self.by_rule + self.by_model + self.fixed


@dataclass(frozen=True)
class Stored:
    """One mention as it is stored: everything of its row but the judgement, as an event without one."""

    key: r.MentionKey
    place: Place
    truth: int
    stored_ms: int
    label: str
    fields: dict[str, Any]

    @property
    def text(self) -> str:
        """What is judged."""
        return str(self.fields["text"])

    @property
    def language(self) -> str:
        """BCP 47."""
        language: Language = self.fields["language"]
        return language.tag


COLUMNS: Final = (
    *("source", "source_id", "revision", "truth", "text", "text_hash", "published_at", "received_at", "stored_at"),
    *("language", "language_confidence", "language_detector", "match_brand", "match_start", "match_end"),
    *("author_key", "author", "url", "reach", "country", "lang_hint", "parent_id"),
    *("incarnation", "topic", "partition", "offset"),
)
TIMES: Final = frozenset({"published_at", "received_at", "stored_at"})


def candidate(one: Stored, judged: Judgement) -> r.Candidate:
    """The mention with another judgement of the same revision, one rescore generation on."""
    event = ScoredMention(**one.fields, version=scored_version([judged]), judgements=[judged])
    generation = (one.truth & r.LOST) + 1
    return r.candidate(event, generation)


def stored(tenant: str, row: Sequence[Any]) -> Stored:
    """``row``: mention id, label, then :data:`COLUMNS`, times in ms since 1970."""
    mention_id, label, *values = row
    got = dict(zip(COLUMNS, values, strict=True))
    fields = {
        "mention_id": mention_id.hex,
        "tenant": tenant,
        "source": got["source"],
        "id": got["source_id"] or None,
        "revision": got["revision"],
        "text": _text(got["text"]),
        "text_hash": f"{got['text_hash']:016x}",
        "published_at": _moment(got["published_at"]),
        "received_at": _moment(got["received_at"]),
        "origin": Origin(
            incarnation=got["incarnation"], topic=got["topic"], partition=got["partition"], offset=got["offset"]
        ),
        "language": Language(
            tag=got["language"], confidence=got["language_confidence"] / 1000, detector=got["language_detector"]
        ),
        "brands": [
            BrandMatch(brand=brand, start=start, end=end)
            for brand, start, end in zip(got["match_brand"], got["match_start"], got["match_end"], strict=True)
        ],
        "author_key": got["author_key"],
        "author": _text(got["author"]) or None,
        "url": _text(got["url"]) or None,
        "reach": got["reach"] or None,
        "country": got["country"] or None,
        "lang_hint": got["lang_hint"] or None,
        "parent_id": got["parent_id"] or None,
    }
    key = r.MentionKey(tenant, mention_id)
    place = (int(got["published_at"]), str(mention_id))
    return Stored(key, place, got["truth"], got["stored_at"], label, fields)


def _moment(millis: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=millis)


def _text(value: str | bytes) -> str:
    """clickhouse-driver returns bytes where a String is not UTF-8."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
