"""From the bytes of one message to a valid event with its language and brands; pure: no Kafka, no Faust, no ClickHouse.

Everything a source may get wrong ends here as :class:`schemas.events.EventError` with a stable reason. Reasons, beside
those of :func:`schemas.events.decode` (``not_utf8``, ``not_json``, ``unknown_type``, ``unknown_version``, ``invalid``):

==================  ===============================================================================
``blank_text``      only white space and invisible characters
``text_too_long``   more than ``max_text_chars`` code points
``nul_byte``        U+0000 in a string: it is never part of what somebody said, and C libraries stop at it
``bad_unicode``     a lone surrogate: not a character, and no UTF-8 can carry it on
``too_old``         published (or deleted) longer than ``max_age`` before it was received
``in_the_future``   published (or deleted) later than ``max_future`` after it was received
==================  ===============================================================================
"""

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast

from pipeline.settings import Settings
from pipeline.source_fields import Keeper
from schemas import ids
from schemas.events import (
    AcceptedDeletion,
    BrandMatch,
    DetectedEvent,
    DetectedMention,
    EventError,
    Language,
    Mention,
    MentionDeleted,
    Origin,
    SourceEvent,
    bare,
    decode,
)

ACCEPTED = ("mention", "mention_deleted")
"""Event types that a source may send."""

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
"""Unicode categories that show nothing: controls, format characters (zero-width, bidi marks), separators."""


class Languages(Protocol):
    """What finds the language of a text (``pipeline.language.LanguageDetector``)."""

    def detect(self, text: str, hint: str | None = None) -> Language:
        """Return the language; ``hint`` is the source's own idea."""
        ...

    def read_ahead(self, texts: Iterable[tuple[str, str | None]]) -> None:
        """Take note of texts, with their hints, that :meth:`detect` will be asked for next."""
        ...


class Brands(Protocol):
    """What finds brands in a text (``pipeline.brands.BrandMatcher``)."""

    def match(self, text: str, language_tag: str, author: str | None = None) -> list[BrandMatch]:
        """Return every place where a brand is named."""
        ...


@dataclass(frozen=True)
class Limits:
    """What is accepted on live topics. Both time bounds are measured from when the broker received the message."""

    max_text_chars: int = 20_000
    max_age: timedelta = timedelta(days=3650)
    max_future: timedelta = timedelta(seconds=900)

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Limits as the operator set them."""
        return cls(
            settings.max_text_chars, timedelta(days=settings.max_age_days), timedelta(seconds=settings.max_future_s)
        )

    def check(self, name: str, moment: datetime, received_at: datetime) -> datetime:
        """``moment`` in UTC and milliseconds; ``name`` is its field. Raises EventError when it is out of bounds."""
        # Subtracting aware datetimes never overflows, where `astimezone` does for offsets in years 1 and 9999.
        ahead = moment - received_at
        if ahead > self.max_future:
            raise EventError(
                "in_the_future",
                f"{name} {moment.isoformat()} is more than {self.max_future.total_seconds():.0f} s after it was "
                f"received at {received_at.isoformat()}: check the source's clock, or BABELWATCH_MAX_FUTURE_S",
            )
        if -ahead > self.max_age:
            raise EventError(
                "too_old",
                f"{name} {moment.isoformat()} is more than {self.max_age.days} days before it was received: older "
                "history needs a greater BABELWATCH_MAX_AGE_DAYS, on the language workers too",
            )
        return ids.utc_millis(moment)


class Detector:
    """Validates a message and finds out what it is about.

    ``brands`` is asked anew for each message, so that a reloaded brands file holds from the next mention on.
    ``author_secret`` keys the hash that replaces author names; without it ``author_key`` stays empty, because an
    unkeyed hash of a public name is the name (anybody can hash all names). ``source_fields`` keeps fields that are not
    known here; without it they are left out.
    """

    def __init__(
        self,
        languages: Languages,
        brands: Callable[[], Brands],
        *,
        limits: Limits | None = None,
        author_secret: bytes | None = None,
        keep_author_names: bool = False,
        source_fields: Keeper | None = None,
    ) -> None:
        self._languages = languages
        self._brands = brands
        self._limits = limits or Limits()
        self._secret = author_secret
        self._keep_names = keep_author_names
        self._source_fields = source_fields

    def detect(self, raw: bytes, origin: Origin, received_at: datetime) -> DetectedEvent:
        """Return the event in ``raw``, which entered at ``origin`` at ``received_at`` (aware).

        The same arguments give the same event, whoever calls and whenever. Raises EventError.
        """
        return self.accept(self.decoded(raw), raw, origin, received_at)

    def decoded(self, raw: bytes) -> SourceEvent | Exception:
        """The event in ``raw`` as a source sent it, or why there is none, for :meth:`read_ahead` and :meth:`accept`."""
        try:
            return cast(SourceEvent, decode(raw, ACCEPTED))
        except Exception as error:
            return bare(error)  # of this message alone, whatever it is: raised when its turn comes

    def accept(
        self, event: SourceEvent | Exception, raw: bytes, origin: Origin, received_at: datetime
    ) -> DetectedEvent:
        """:meth:`detect` of what ``raw`` was decoded to. Raises EventError, or what broke the decoding."""
        if isinstance(event, Exception):
            raise event
        if isinstance(event, MentionDeleted):
            deletion = self._deletion(event, origin, ids.utc_millis(received_at))
            if self._source_fields is not None:
                self._source_fields.of(event, raw)  # counts what is dropped
            return deletion
        mention = self._mention(event, origin, ids.utc_millis(received_at))
        if self._source_fields is not None:
            mention.source_fields = self._source_fields.of(event, raw)
        return mention

    def read_ahead(self, batch: Iterable[SourceEvent | Exception]) -> None:
        """Let the languages of a batch be found together; changes nothing but the time that :meth:`accept` takes."""
        self._languages.read_ahead(
            [
                (event.text, event.lang_hint)
                for event in batch
                if isinstance(event, Mention) and len(event.text) <= self._limits.max_text_chars
            ]
        )

    def _mention(self, event: Mention, origin: Origin, received_at: datetime) -> DetectedMention:
        _check_strings(event, Mention.__struct_fields__)
        if len(event.text) > self._limits.max_text_chars:
            raise EventError(
                "text_too_long",
                f"text has {len(event.text)} characters; {self._limits.max_text_chars} are accepted "
                "(BABELWATCH_MAX_TEXT_CHARS)",
            )
        if all(unicodedata.category(c) in _INVISIBLE for c in event.text):
            raise EventError("blank_text", "text has nothing that can be seen")
        published_at = self._limits.check("published_at", event.published_at, received_at)
        language = self._languages.detect(event.text, event.lang_hint)
        return DetectedMention(
            mention_id=ids.mention_id(event.tenant, event.source, event.id, event.author, published_at, event.text),
            tenant=event.tenant,
            source=event.source,
            id=event.id,
            revision=event.revision,
            text=event.text,
            text_hash=ids.text_hash(event.text),
            published_at=published_at,
            received_at=received_at,
            origin=origin,
            language=language,
            brands=self._brands().match(event.text, language.tag, event.author),
            author_key=(ids.author_key(self._secret, event.tenant, event.source, event.author) if self._secret else ""),
            author=event.author if self._keep_names else None,
            url=event.url,
            reach=event.reach,
            country=event.country,
            lang_hint=event.lang_hint,
            parent_id=event.parent_id,
        )

    def _deletion(self, event: MentionDeleted, origin: Origin, received_at: datetime) -> AcceptedDeletion:
        _check_strings(event, MentionDeleted.__struct_fields__)
        return AcceptedDeletion(
            mention_id=ids.mention_id(event.tenant, event.source, event.id, None, None, ""),
            tenant=event.tenant,
            source=event.source,
            revision=event.revision,
            deleted_at=self._limits.check("deleted_at", event.deleted_at, received_at),
            received_at=received_at,
            origin=origin,
        )


def _check_strings(event: object, fields: tuple[str, ...]) -> None:
    """Raise EventError for a NUL or a lone surrogate in any string of the event."""
    for name in fields:
        value = getattr(event, name)
        if not isinstance(value, str):
            continue
        if "\0" in value:
            raise EventError("nul_byte", f"{name} contains U+0000")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise EventError("bad_unicode", f"{name} contains a lone surrogate: {error.reason}") from None
