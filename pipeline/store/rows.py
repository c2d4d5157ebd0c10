"""Events as rows of the tables; pure. Times are integers (ms since 1970), probabilities per mille."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from schemas.events import MAX_REVISION, AcceptedDeletion, EventError, Judgement, ScoredEvent, ScoredMention
from schemas.ids import truth_order

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_MIN_MS: Final = (datetime(1900, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND
_END_MS: Final = (datetime(2300, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND

LOST: Final = 0xFFF
"""Generation of a tombstone at a place that a mention has left: greater than that of any judgement of one state."""

MENTION_COLUMNS: Final = (
    *("tenant", "mention_id", "source", "source_id", "revision", "truth", "is_deleted", "text", "text_hash"),
    *("published_at", "received_at", "language", "language_confidence", "language_detector"),
    *("brands", "match_brand", "match_start", "match_end", "label", "negative", "neutral", "positive", "model", "rule"),
    *("author_key", "author", "url", "reach", "country", "lang_hint", "parent_id"),
    *("incarnation", "topic", "partition", "offset"),
)
LOCATION_COLUMNS: Final = (
    *("tenant", "mention_id", "published_at", "truth", "cell", "is_deleted", "content"),
    *("source", "language", "label", "brands", "batch"),
)
JUDGEMENT_COLUMNS: Final = (
    *("tenant", "mention_id", "target", "model", "rule", "revision", "published_at"),
    *("logp_negative", "logp_neutral", "logp_positive", "label"),
)


class MentionKey(NamedTuple):
    """One mention, wherever it is in time."""

    tenant: str
    mention_id: UUID


class Candidate(NamedTuple):
    """An event with what decides about it."""

    event: ScoredEvent
    key: MentionKey
    place: int
    """ms since 1970; of a deletion its ``deleted_at``."""
    truth: int
    content: int
    """64-bit hash of what the source said, to tell the same again from another content of one revision."""


def candidate(event: ScoredEvent, generation: int = 0) -> Candidate:
    """Raises EventError (``date_out_of_range``) for a time that DateTime64 cannot hold (before 1900, after 2299)."""
    key = MentionKey(event.tenant, UUID(event.mention_id))
    if isinstance(event, AcceptedDeletion):
        place = _storable_ms("deleted_at", event.deleted_at)
        return Candidate(event, key, place, truth_order(revision=event.revision, deleted=True), 0)
    place = _storable_ms("published_at", event.published_at)
    truth = truth_order(revision=event.revision, generation=generation)
    return Candidate(event, key, place, truth, _content(event, place))


def _storable_ms(name: str, moment: datetime) -> int:
    millis = (moment - _EPOCH) // _MILLISECOND
    if not _MIN_MS <= millis < _END_MS:
        raise EventError("date_out_of_range", f"{name} {moment.isoformat()}: ClickHouse holds the years 1900 to 2299")
    return millis


def origin_of(item: Candidate) -> tuple[str, str, int, int]:
    """Where the event entered, as its row says it: incarnation, topic, partition, offset."""
    origin = item.event.origin
    return clean(origin.incarnation), clean(origin.topic), origin.partition, origin.offset


def state_of(truth: int) -> int:
    """``truth`` without its rescore generation: correction, revision, deletion."""
    return truth >> 12


def buried(winner: int, *, for_good: bool) -> int:
    """Truth of a tombstone at a place where a mention is not, since it is elsewhere with the truth ``winner``.

    ``for_good``: no writer who still believes in that place at the same state brings it back. Else it is greater than
    anything of lesser states only.
    """
    return winner | LOST if for_good else (state_of(winner) << 12) - 1


def month_of_ms(millis: int) -> int:
    """``toYYYYMM``: the partition of a place."""
    return _month_of_day(millis // 86_400_000)


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> int:
    moment = _EPOCH + timedelta(days=day)
    return moment.year * 100 + moment.month


def clean(text: str | None) -> str:
    """``text`` as UTF-8 can carry it: a lone surrogate becomes ``?``. NUL bytes stay."""
    if not text or text.isascii():
        return text or ""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _content(event: ScoredMention, place: int) -> int:
    parts = (
        *(event.text, str(place), event.author_key, event.url or "", str(event.reach or 0)),
        *(event.country or "", event.lang_hint or "", event.parent_id or ""),
    )
    return _hash64("\x1f".join(parts))


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def brands_of(event: ScoredMention) -> list[str]:
    """Distinct brands, sorted; ``""`` is not one (it is the total's name in rollups)."""
    return sorted({clean(match.brand) for match in event.brands} - {""})


def judgement_of(event: ScoredMention) -> Judgement:
    """The judgement of the whole text, else the first."""
    return next((j for j in event.judgements if j.target == ""), event.judgements[0])


def location_row(item: Candidate, batch: int) -> tuple[Any, ...]:
    """In the order of :data:`LOCATION_COLUMNS`."""
    event = item.event
    if isinstance(event, AcceptedDeletion):
        return (*item.key, item.place, item.truth, 0, 1, 0, clean(event.source), "", "neutral", [], batch)
    brands, label = brands_of(event), judgement_of(event).label
    source, language = clean(event.source), clean(event.language.tag)
    cell = _hash64("\x1f".join((*brands, "", language, source, label)))
    return (*item.key, item.place, item.truth, cell, 0, item.content, source, language, label, brands, batch)


def mention_row(item: Candidate) -> tuple[Any, ...]:
    """In the order of :data:`MENTION_COLUMNS`: the mention itself, or the tombstone at a deletion's own place."""
    event = item.event
    if isinstance(event, AcceptedDeletion):
        return tombstone_row(item, item.place, item.truth)
    judged = judgement_of(event)
    return (
        *(event.tenant, item.key.mention_id, clean(event.source), clean(event.id)),
        *(event.revision, item.truth, 0, clean(event.text), int(event.text_hash, 16)),
        *(item.place, (event.received_at - _EPOCH) // _MILLISECOND),
        *(clean(event.language.tag), _per_mille(event.language.confidence), clean(event.language.detector)),
        brands_of(event),
        [clean(match.brand) for match in event.brands],
        [match.start for match in event.brands],
        [match.end for match in event.brands],
        judged.label,
        *(_per_mille(judged.negative), _per_mille(judged.neutral), _per_mille(judged.positive)),
        *(clean(judged.model), clean(judged.rule)),
        *(clean(event.author_key), clean(event.author), clean(event.url), event.reach or 0),
        *(clean(event.country), clean(event.lang_hint), clean(event.parent_id)),
        *origin_of(item),
    )


def tombstone_row(cause: Candidate, place: int, truth: int) -> tuple[Any, ...]:
    """A row that says: at ``place`` this mention is no more. It keeps no word of it, only the origin of the cause."""
    event = cause.event
    revision = truth >> 13 & MAX_REVISION
    return (
        *(event.tenant, cause.key.mention_id, clean(event.source), "", revision, truth, 1, "", 0),
        *(place, (event.received_at - _EPOCH) // _MILLISECOND, "", 0, ""),
        *([], [], [], [], "neutral", 0, 0, 0, "", ""),
        *("", "", "", 0, "", "", ""),
        *origin_of(cause),
    )


def judgement_rows(item: Candidate) -> list[tuple[Any, ...]]:
    """In the order of :data:`JUDGEMENT_COLUMNS`; none for a deletion."""
    event = item.event
    if isinstance(event, AcceptedDeletion):
        return []
    return [
        (
            *(*item.key, clean(judged.target), clean(judged.model), clean(judged.rule), event.revision, item.place),
            *(*judged.log_probabilities, judged.label),
        )
        for judged in event.judgements
    ]


def _per_mille(probability: float) -> int:
    return round(probability * 1000)


def columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    """Rows turned into columns, which the driver sends faster."""
    return [list(column) for column in zip(*rows, strict=True)]
