"""The work that all peers share: our own pure logic, so that what is compared is delivery.

Each record is validated, its language and brands are found, a stub judges it (``tests/chaos/judge.py``), and a row is
made of it. Rows go into a table with the columns of ``mentions``; a materialized view adds them up by minute, brand
and label, as one does it with ClickHouse.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pipeline.brands import BrandsWatcher
from pipeline.detect import Detector, Limits
from pipeline.language import LanguageDetector
from pipeline.settings import Settings
from pipeline.source_fields import Bounds, Keeper
from pipeline.store import rows as r
from schemas.events import DetectedMention, EventError, Origin, ScoredMention
from tests.chaos.judge import Judge

TABLE: Final = "peer_mentions"
COUNTS: Final = "peer_counts"
BATCH: Final = 2_000
WITHIN_S: Final = 0.25
_FIELDS: Final = tuple(name for name in DetectedMention.__struct_fields__ if name not in {"type", "version"})
COLUMNS: Final = r.MENTION_COLUMNS

CREATE: Final = (
    f"CREATE TABLE {TABLE} AS mentions ENGINE = MergeTree PARTITION BY toYYYYMM(published_at) "
    "ORDER BY (tenant, published_at, mention_id)",
    f"CREATE TABLE {COUNTS} (minute DateTime, brand String, label String, n UInt64) "
    "ENGINE = SummingMergeTree ORDER BY (minute, brand, label)",
    f"CREATE MATERIALIZED VIEW {COUNTS}_view TO {COUNTS} AS SELECT toStartOfMinute(published_at) AS minute, "
    f"arrayJoin(arrayConcat([''], brands)) AS brand, toString(label) AS label, count() AS n FROM {TABLE} "
    "GROUP BY minute, brand, label",
)
"""Statements that make the tables."""


class Work:
    """Values of records in, rows out; what is no valid mention is dropped (a peer has no dead letters)."""

    def __init__(self, settings: Settings) -> None:
        brands = BrandsWatcher(settings.brands_file)
        self._detector = Detector(
            LanguageDetector(settings.language_min_confidence),
            lambda: brands.matcher,
            limits=Limits.of(settings),
            author_secret=b"a benchmark's",
            source_fields=Keeper(Bounds(settings.source_fields_bytes)),
        )
        self._judge = Judge()

    def rows(self, values: Sequence[bytes]) -> list[tuple[Any, ...]]:
        """In the order of COLUMNS."""
        origin = Origin(incarnation="peer", topic="mentions", partition=0, offset=0)
        now = datetime.now(UTC)
        found = []
        for value in values:
            try:
                event = self._detector.detect(value, origin, now)
            except EventError:
                continue
            if isinstance(event, DetectedMention):
                found.append(event)
        judged = self._judge.judge([one.text for one in found], [one.language.tag for one in found])
        return [
            r.mention_row(
                r.candidate(ScoredMention(**{name: getattr(event, name) for name in _FIELDS}, judgements=[judgement]))
            )
            for event, judgement in zip(found, judged, strict=True)
        ]
