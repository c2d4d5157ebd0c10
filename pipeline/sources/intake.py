"""The check at every entrance: exactly what the language worker would refuse later is refused here, with its reason."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from pipeline.detect import Detector, Limits
from pipeline.kafka.topics import MENTIONS
from schemas.events import BrandMatch, DetectedMention, EventError, Language, Origin

_NOWHERE = Origin(incarnation="", topic=MENTIONS, partition=0, offset=0)
_UNDETERMINED = Language(tag="und", confidence=0.0, detector="none")


class _NoLanguages:
    """The entrance checks the form; what language a text has is the worker's business."""

    def detect(self, text: str, hint: str | None = None) -> Language:
        return _UNDETERMINED

    def read_ahead(self, texts: Iterable[tuple[str, str | None]]) -> None:
        pass


class _NoBrands:
    def match(self, text: str, language_tag: str, author: str | None = None) -> list[BrandMatch]:
        return []


@dataclass(frozen=True)
class Accepted:
    """A message that may go to Kafka: its id (32 hex digits), its bytes, and its time in UTC."""

    mention_id: str
    value: bytes
    at: datetime
    """When it was published, or deleted."""

    @property
    def key(self) -> bytes:
        """Kafka key."""
        return self.mention_id.encode()


class Intake:
    """Checks one message at a time, by the very code that the language worker runs (``pipeline.detect``).

    Time bounds count from now: an entrance takes what is said today, not next year.
    """

    def __init__(self, limits: Limits) -> None:
        self._detector = Detector(_NoLanguages(), _NoBrands, limits=limits)

    def check(self, raw: bytes, *, default_source: str | None = None, now: datetime | None = None) -> Accepted:
        """Return what to send; the bytes are the caller's own, so that unknown fields survive.

        ``default_source`` is written into an event that names no source. Raises EventError (reasons: see
        ``schemas.events.decode`` and ``pipeline.detect``).
        """
        if default_source is not None:
            raw = _with_source(raw, default_source)
        event = self._detector.detect(raw, _NOWHERE, now or datetime.now(UTC))
        at = event.published_at if isinstance(event, DetectedMention) else event.deleted_at
        return Accepted(mention_id=event.mention_id, value=raw, at=at)


class _Named(msgspec.Struct):
    source: msgspec.Raw = msgspec.Raw(b"")


_named = msgspec.json.Decoder(_Named)


def _with_source(raw: bytes, source: str) -> bytes:
    """``raw`` with a source, if it is an object without one; anything else unchanged, for the check to refuse.

    Written into the text: decoding and encoding again could change what the caller sent.
    """
    try:
        if bytes(_named.decode(raw).source):
            return raw
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return raw
    rest = raw.lstrip()[1:]
    comma = b"" if rest.lstrip().startswith(b"}") else b","
    return b'{"source":' + msgspec.json.encode(source) + comma + rest


def reason_of(error: EventError) -> dict[str, str]:
    """``error`` as the entrances report it."""
    return {"reason": error.reason, "message": str(error)}
