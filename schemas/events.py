"""The events of the pipeline: typed, and decoded from JSON without trusting a byte of it.

Three topics carry them: ``mentions`` (what sources send), ``mentions.detected`` and ``mentions.scored``. Every event
names its ``type`` and ``version``. Consumers accept unknown fields and older versions, and refuse newer ones (the
meaning of a newer version is not known here; such an event is a dead letter, not a guess). An event says the least
version that can say it: a scored mention is version 2 only where a label is ``unsure``, so that nothing changes for
consumers of version 1 until somebody switches abstention on.

JSON Schema of each is generated into ``schemas/json`` by ``python -m schemas.json_schema``; ``schemas/examples`` has
one of each.
"""

from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

EVENT_VERSION: Final = 1
"""What an event is written with, unless it says something newer."""
NEWEST_VERSIONS: Final[dict[str, int]] = {"mention_scored": 2}
"""Type -> newest version that this build reads, where it is not EVENT_VERSION: 2 knows the label ``unsure``."""

Label = Literal["negative", "neutral", "positive", "unsure"]
"""``unsure`` is no class: the model says nothing, because it would be wrong too often. Never counted as neutral."""
LABELS: Final[tuple[Label, Label, Label]] = ("negative", "neutral", "positive")
"""The classes, in the order of every probability triple in the project."""
UNSURE: Final[Label] = "unsure"

MAX_REVISION: Final = 2**43 - 1
"""Milliseconds since 1970 fit (until the year 2248), so a source may use its own edit time as revision."""

MAX_PARTITION: Final = 2**31 - 1
MAX_OFFSET: Final = 2**63 - 1
"""Kafka's own bounds (INT32 and INT64 of its protocol): no record is beyond them, and the tables take what is not."""

UtcTime = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset; kept in UTC, milliseconds")]
Tenant = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
SourceName = Annotated[str, Meta(min_length=1, max_length=64, description="where it was said, e.g. 'bluesky'")]
SourceId = Annotated[str, Meta(min_length=1, max_length=512, description="the source's own id")]
MentionId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$", description="128-bit hash, see schemas.ids.mention_id")]
Revision = Annotated[int, Meta(ge=0, le=MAX_REVISION)]
Probability = Annotated[float, Meta(ge=0.0, le=1.0)]


class Origin(Struct, frozen=True, kw_only=True):
    """Where an event entered: the position of its bytes in the first topic, qualified by the broker's incarnation.

    An in-memory broker starts again at offset 0 after a restart, so an offset alone does not identify anything.
    """

    incarnation: str
    topic: str
    partition: Annotated[int, Meta(ge=0, le=MAX_PARTITION)]
    offset: Annotated[int, Meta(ge=0, le=MAX_OFFSET)]


class Mention(Struct, kw_only=True, omit_defaults=False):
    """What a source sends to topic ``mentions``: somebody said ``text``.

    ``id`` is the source's own id; a missing one is no error (see :func:`schemas.ids.mention_id`). ``revision`` rises
    when the source edits the mention: the higher one wins, whatever arrives last.
    """

    type: Literal["mention"] = "mention"
    version: int = EVENT_VERSION
    tenant: Tenant = "default"
    source: SourceName
    id: SourceId | None = None
    revision: Revision = 0
    text: Annotated[str, Meta(min_length=1)]
    published_at: UtcTime
    author: Annotated[str, Meta(max_length=256)] | None = None
    url: Annotated[str, Meta(max_length=2048)] | None = None
    reach: Annotated[int, Meta(ge=0, le=2**53, description="people who may have seen it")] | None = None
    country: Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")] | None = None
    lang_hint: (
        Annotated[str, Meta(max_length=35, description="the source's own idea; a prior, not the truth")] | None
    ) = None
    parent_id: SourceId | None = None


class MentionDeleted(Struct, kw_only=True):
    """What a source sends to topic ``mentions`` when a mention is gone there. It wins over the same revision's text."""

    type: Literal["mention_deleted"] = "mention_deleted"
    version: int = EVENT_VERSION
    tenant: Tenant = "default"
    source: SourceName
    id: SourceId
    revision: Revision = 0
    deleted_at: UtcTime


class Language(Struct, frozen=True, kw_only=True):
    """The language of a text: BCP 47 with the script where it matters (``hi-Latn``), ``und`` when not sure enough."""

    tag: Annotated[str, Meta(min_length=2, max_length=35)]
    confidence: Probability
    detector: str


class BrandMatch(Struct, frozen=True, kw_only=True):
    """One place where a brand is named. ``start`` and ``end`` count code points of ``text``; ``end`` is exclusive."""

    brand: str
    start: Annotated[int, Meta(ge=0)]
    end: Annotated[int, Meta(ge=0)]


class Judgement(Struct, frozen=True, kw_only=True):
    """One model's sentiment of one mention toward one target (``""`` is the whole text).

    ``log_probabilities`` are the model's own, before any correction, in the order of :data:`LABELS`; the three
    probabilities and the label come out of them by ``rule``, so that a new correction needs no new inference. A label
    of ``unsure`` keeps its probabilities: none of them was great enough.
    """

    target: str = ""
    model: str
    rule: str
    label: Label
    negative: Probability
    neutral: Probability
    positive: Probability
    log_probabilities: tuple[float, float, float]


class DetectedMention(Struct, kw_only=True):
    """Topic ``mentions.detected``: valid, with its id, language and brands; no plain author name by default."""

    type: Literal["mention_detected"] = "mention_detected"
    version: int = EVENT_VERSION
    mention_id: MentionId
    tenant: Tenant
    source: SourceName
    id: SourceId | None = None
    revision: Revision = 0
    text: str
    text_hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$", description="64-bit hash of the folded text")]
    published_at: UtcTime
    received_at: UtcTime
    origin: Origin
    language: Language
    brands: list[BrandMatch]
    author_key: Annotated[str, Meta(pattern=r"^([0-9a-f]{32})?$", description="keyed hash of the author, or empty")] = (
        ""
    )
    author: str | None = None
    url: str | None = None
    reach: int | None = None
    country: str | None = None
    lang_hint: str | None = None
    parent_id: str | None = None
    source_fields: (
        Annotated[
            dict[str, msgspec.Raw], Meta(description="what the source said beyond the fields known here; untrusted")
        ]
        | msgspec.UnsetType
    ) = msgspec.UNSET


class ScoredMention(DetectedMention, kw_only=True):
    """Topic ``mentions.scored``: a detected mention with its judgements (at least the one of the whole text)."""

    type: Literal["mention_scored"] = "mention_scored"  # type: ignore[assignment]
    judgements: Annotated[list[Judgement], Meta(min_length=1)]


class AcceptedDeletion(Struct, kw_only=True):
    """Topics ``mentions.detected`` and ``mentions.scored``: a deletion on its way to the sink, behind its mention."""

    type: Literal["deletion_accepted"] = "deletion_accepted"
    version: int = EVENT_VERSION
    mention_id: MentionId
    tenant: Tenant
    source: SourceName
    revision: Revision = 0
    deleted_at: UtcTime
    received_at: UtcTime
    origin: Origin


def scored_version(judgements: list[Judgement]) -> int:
    """Version of a scored mention with these judgements: 2 when one is ``unsure``, which version 1 does not know."""
    return 2 if any(judgement.label == UNSURE for judgement in judgements) else EVENT_VERSION


def newest_version(event_type: str) -> int:
    """Newest version of an event type that this build reads."""
    return NEWEST_VERSIONS.get(event_type, EVENT_VERSION)


SourceEvent = Mention | MentionDeleted
DetectedEvent = DetectedMention | AcceptedDeletion
ScoredEvent = ScoredMention | AcceptedDeletion

EVENT_TYPES: Final[dict[str, type[Struct]]] = {
    "mention": Mention,
    "mention_deleted": MentionDeleted,
    "mention_detected": DetectedMention,
    "mention_scored": ScoredMention,
    "deletion_accepted": AcceptedDeletion,
}

encode = msgspec.json.Encoder().encode
"""Event -> UTF-8 JSON bytes. Datetimes come out as RFC 3339."""


class EventError(ValueError):
    """An event that cannot be accepted. ``reason`` is a stable code for metrics and dead letters."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


_E = TypeVar("_E", bound=Exception)


def bare(error: _E) -> _E:
    """Return ``error`` without its frames, for whoever keeps it or has caught what was kept.

    A frame holds the message and whoever called, and so, where errors are values, the error itself: a circle that only
    the garbage collector undoes, 50,000 objects later in a worker (``YOUNG_OBJECTS``), though each may keep megabytes.
    """
    error.__traceback__ = error.__context__ = error.__cause__ = None
    return error


class _Envelope(Struct):
    type: str = "mention"
    version: int = EVENT_VERSION


_envelope = msgspec.json.Decoder(_Envelope)
_decoders = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items()}


def decode(data: bytes, allowed: tuple[str, ...]) -> Struct:
    """Return the event in ``data``, one of the ``allowed`` types; without a ``type`` it is a ``mention``.

    Raises :class:`EventError` with reason ``not_utf8``, ``not_json``, ``unknown_type``, ``unknown_version`` or
    ``invalid`` (a wrong type, a missing field, a value out of its bounds; the message names the field).
    """
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EventError("not_utf8", f"the value is not UTF-8: {error}") from None
    try:
        envelope = _envelope.decode(data)
    except msgspec.ValidationError as error:
        raise EventError("invalid", f"not an event: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise EventError("not_json", f"the value is not JSON: {error}") from None
    if envelope.type not in allowed:
        raise EventError("unknown_type", f"type {envelope.type[:40]!r} is not one of {', '.join(allowed)}")
    newest = newest_version(envelope.type)
    if not 1 <= envelope.version <= newest:
        raise EventError(
            "unknown_version",
            f"version {envelope.version} of {envelope.type!r}: this build reads 1 to {newest}; upgrade the "
            "workers before the producers, then replay the dead letters",
        )
    try:
        event = _decoders[envelope.type].decode(data)
    except msgspec.ValidationError as error:
        raise EventError("invalid", str(error)) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise EventError("not_json", f"the value is not JSON: {error}") from None
    assert isinstance(event, Struct)  # noqa: S101 - narrows the type
    return event
