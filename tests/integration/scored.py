"""Records of ``mentions.scored`` made by hand, for tests of the sink alone."""

from collections.abc import Iterable
from datetime import UTC, datetime

from pipeline.detect import Detector
from schemas.events import BrandMatch, DetectedMention, Judgement, Language, Mention, Origin, ScoredMention, encode


class English:
    def detect(self, text: str, hint: str | None = None) -> Language:
        return Language(tag="en", confidence=1.0, detector="test")

    def read_ahead(self, texts: Iterable[tuple[str, str | None]]) -> None:
        """It knows the answer."""


class NoBrands:
    def match(self, text: str, language_tag: str, author: str | None = None) -> list[BrandMatch]:
        return []


def scored(number: int, **changes: object) -> tuple[bytes, bytes]:
    """Key and value of a positive mention whose source id is ``number``; ``changes`` replace fields unchecked."""
    now = datetime.now(UTC)
    event = Detector(English(), NoBrands).detect(
        encode(Mention(source="t", id=f"{number}", text="well", published_at=now)),
        Origin(incarnation="test", topic="mentions", partition=0, offset=number),
        now,
    )
    assert isinstance(event, DetectedMention)
    judgement = Judgement(
        model="test",
        rule="none",
        label="positive",
        negative=0.1,
        neutral=0.2,
        positive=0.7,
        log_probabilities=(-2.3, -1.6, -0.4),
    )
    kept = {name: getattr(event, name) for name in DetectedMention.__struct_fields__ if name not in {"type", "version"}}
    result = ScoredMention(**(kept | changes), judgements=[judgement])
    return event.mention_id.encode(), encode(result)
