"""Records in, judged rows out: language and sentiment of texts, without Kafka or ClickHouse."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct

from pipeline.language import LanguageDetector
from pipeline.sentiment.lines import Record
from pipeline.sentiment.model import SentimentModel
from schemas.events import Label, Language


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
        # Inference leaves the interpreter free, and part of a core: the languages are found meanwhile.
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="language")

    def _detect(self, records: Sequence[Record]) -> list[Language]:
        return [self._detector.detect(record.text, record.lang_hint) for record in records]

    def score(self, records: Sequence[Record]) -> list[ScoredLine]:
        """One row per record, in order."""
        detected = self._beside.submit(self._detect, records)
        values = self._model.log_probabilities([record.text for record in records])
        languages = detected.result()
        judged = self._model.decide(values, [language.tag for language in languages])
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
