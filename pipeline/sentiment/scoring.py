"""Records in, judged rows out: language and sentiment of texts, without Kafka or ClickHouse."""

from collections.abc import Sequence

from msgspec import Struct

from pipeline.language import LanguageDetector
from pipeline.sentiment.lines import Record
from pipeline.sentiment.model import SentimentModel
from schemas.events import Label


class ScoredLine(Struct, frozen=True):
    """One line of output; the order of the fields is the order in the JSON."""

    id: str | int
    text: str
    language: str
    language_confidence: float
    label: Label
    negative: float
    neutral: float
    positive: float
    model: str


class Scorer:
    """The same detector, model and rule as the pipeline's workers use."""

    def __init__(self, model: SentimentModel, detector: LanguageDetector) -> None:
        self._model = model
        self._detector = detector

    def score(self, records: Sequence[Record]) -> list[ScoredLine]:
        """One row per record, in order."""
        languages = [self._detector.detect(record.text, record.lang_hint) for record in records]
        judged = self._model.judge([record.text for record in records], [language.tag for language in languages])
        return [
            ScoredLine(
                id=record.id,
                text=record.text,
                language=language.tag,
                language_confidence=round(language.confidence, 6),
                label=judgement.label,
                negative=judgement.negative,
                neutral=judgement.neutral,
                positive=judgement.positive,
                model=judgement.model,
            )
            for record, language, judgement in zip(records, languages, judged, strict=True)
        ]
