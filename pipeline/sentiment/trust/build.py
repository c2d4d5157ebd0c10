"""The table of a model: every language that it may meet, with what was measured, else estimated, else unknown."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pipeline.errors import ModelError
from pipeline.language import UNDETERMINED
from pipeline.sentiment import tokenizer
from pipeline.sentiment.measure.results import Evaluation, LanguageResult
from pipeline.sentiment.model import SentimentModel
from pipeline.sentiment.trust import words
from pipeline.sentiment.trust.estimate import (
    FLOOR,
    ExpectedAgreement,
    Known,
    Line,
    agreement_line,
    never_seen,
)
from pipeline.sentiment.trust.evidence import ENGLISH, Sentences, Tokenizer, Vocabulary, compare, read_parallel
from pipeline.sentiment.trust.languages import SeenLanguage, every_language, seen_languages
from pipeline.sentiment.trust.table import ANY_OTHER, Evidence, Fit, LanguageTrust, Number, TrustTable, unknown

_WRITTEN: Final = {"hindi": "hi-Latn"}
"""UMSAB's name of a set -> what its texts are: not one of its 324 Hindi texts (val) has a letter in Devanagari."""
_MAX_TOKENS: Final = 512


def build_trust(
    model: SentimentModel, evaluation: Evaluation, parallel: Path, tokens: Tokenizer | None = None
) -> TrustTable:
    """The table of ``model`` from its evaluation and the folder of parallel sentences.

    ``tokens`` is the model's tokenizer; default: the packaged one. Raises ModelError when the evaluation is another
    model's or rule's, holds no language with enough texts, or the sentences do not fit together.
    """
    if (evaluation.model, evaluation.rule) != (model.name, model.rule):
        raise ModelError(
            f"the evaluation is of {evaluation.model} with the rule {evaluation.rule}, the model is {model.name} with "
            f"{model.rule}: run `babelwatch model evaluate --write` first"
        )
    cutter = tokens or tokenizer.load(_MAX_TOKENS)
    return _Builder(evaluation, compare(model, cutter, read_parallel(parallel)), Vocabulary(cutter)).table()


def measured_languages(evaluation: Evaluation) -> dict[str, LanguageResult]:
    """The languages with enough rightly labelled texts by tag; of several sets in one language the largest."""
    found: dict[str, LanguageResult] = {}
    for one in evaluation.languages:
        tag = _WRITTEN.get(one.language, one.tag)
        if one.counts and tag != UNDETERMINED and (tag not in found or found[tag].texts < one.texts):
            found[tag] = one
    return found


class _Builder:
    """One table. Keeps what all languages share: the two lines, the worst measured score."""

    def __init__(self, evaluation: Evaluation, sentences: Mapping[str, Sentences], vocabulary: Vocabulary) -> None:
        self._evaluation = evaluation
        self._sentences = sentences
        self._vocabulary = vocabulary
        self._measured = measured_languages(evaluation)
        if not self._measured:
            raise ModelError("the evaluation has no language with enough texts: evaluate on more labelled texts")
        self._worst = min(self._measured, key=self._score)
        points = {tag: (sentences[tag].agreement.value, self._score(tag)) for tag in self._measured if tag in sentences}
        self._points = points
        self._line: Line | None = agreement_line(points)
        self._expected = self._expectation()

    def _score(self, tag: str) -> float:
        return self._measured[tag].rule.macro_f1.value

    def _expectation(self) -> ExpectedAgreement | None:
        known = {
            tag: Known(seen.megabytes, seen.group, self._sentences[tag].agreement.value)
            for tag, seen in seen_languages().items()
            if tag in self._sentences and tag != ENGLISH
        }
        try:
            return ExpectedAgreement(known)
        except ValueError:
            return None

    def table(self) -> TrustTable:
        """All languages, sorted by tag."""
        tags = sorted({*every_language(), *self._measured, *self._sentences})
        return TrustTable(
            model=self._evaluation.model,
            rule=self._evaluation.rule,
            data=self._evaluation.data,
            worst=self._worst,
            fit=self._fit(),
            languages=tuple(self._language(tag) for tag in tags),
            other=self._unseen(ANY_OTHER, Evidence(seen=False)),
        )

    def _fit(self) -> Fit | None:
        if self._line is None or self._expected is None:
            return None
        line = self._line
        return Fit(
            languages=tuple(self._points),
            intercept=round(line.intercept, 4),
            slope=round(line.slope, 4),
            error=round(line.error, 4),
            left_out={tag: round(off, 4) for tag, off in zip(self._points, line.left_out, strict=True)},
            expected_error=round(self._expected.error, 4),
        )

    def _language(self, tag: str) -> LanguageTrust:
        if tag == UNDETERMINED:
            return unknown(tag, Evidence(seen=False), "the detector could not tell the language")
        found = self._evidence(tag)
        if tag in self._measured:
            return self._measured_one(tag, found)
        if not found.seen:
            return self._unseen(tag, found)
        return self._estimated(tag, found)

    def _evidence(self, tag: str) -> Evidence:
        seen: SeenLanguage | None = seen_languages().get(tag)
        pairs = self._sentences.get(tag)
        expected = None
        relatives: tuple[str, ...] = ()
        if seen is not None:
            relatives = tuple(
                sorted(
                    other
                    for other, facts in seen_languages().items()
                    if facts.group == seen.group and other in self._sentences and other not in (tag, ENGLISH)
                )
            )
            if pairs is None and self._expected is not None:
                expected = round(self._expected.of(seen.megabytes, seen.group), 4)
        return Evidence(
            seen=seen is not None,
            megabytes=seen.megabytes if seen else None,
            read_as=seen.of if seen else None,
            group=seen.group if seen else None,
            relatives=relatives,
            readable=seen is not None or self._vocabulary.reads(tag),
            texts=self._measured[tag].texts if tag in self._measured else None,
            sentences=pairs.count if pairs else None,
            agreement=pairs.agreement if pairs else None,
            divergence=pairs.divergence if pairs else None,
            pieces=pairs.pieces if pairs else None,
            unknown_pieces=pairs.unknown_pieces if pairs else None,
            expected_agreement=expected,
        )

    def _measured_one(self, tag: str, found: Evidence) -> LanguageTrust:
        result = self._measured[tag]
        score = Number(*(round(part, 4) for part in _parts(result)))
        return LanguageTrust(
            language=tag,
            level=words.level_of(score.value, measured=True),
            source="measured",
            macro_f1=score,
            in_words=words.measured(score),
            reasons=(
                f"macro-F1 x 100 on {result.texts} labelled texts ({self._evaluation.data}): {words.points(score)}",
                *words.evidence(found),
            ),
            evidence=found,
        )

    def _estimated(self, tag: str, found: Evidence) -> LanguageTrust:
        pairs = self._sentences.get(tag)
        if self._line is None or (pairs is None and self._expected is None):
            return unknown(tag, found, "too few languages are measured to estimate from")
        agreement, unsure = found.expected_agreement or 0.0, self._expected.error if self._expected else 0.0
        if pairs is not None:
            agreement, unsure = pairs.agreement.value, pairs.unsure
        score = self._line.interval(agreement, unsure)
        return LanguageTrust(
            language=tag,
            level=words.level_of(score.value - self._line.doubt(agreement, unsure), measured=False),
            source="estimated",
            macro_f1=score,
            in_words=words.estimated(score),
            reasons=tuple(words.evidence(found)),
            evidence=found,
        )

    def _unseen(self, tag: str, found: Evidence) -> LanguageTrust:
        """By rule below the worst measured language. The interval reaches up to the mean of the measured ones: a near
        relative of a language that was seen may do as well, but nothing says which does."""
        worst = self._score(self._worst)
        others = [self._score(one) for one in self._measured if one != ENGLISH] or [worst]
        value = never_seen(worst, found.readable)
        high = max(sum(others) / len(others), value)
        score = Number(round(value, 4), round(min(value, FLOOR), 4), round(high, 4))
        below = f"the worst measured language ({self._worst}, {100 * worst:.0f})"
        why = f"the encoder never saw it: by rule it is put below {below}"
        return LanguageTrust(
            language=tag,
            level="low",
            source="estimated",
            macro_f1=score,
            in_words=words.NEVER_SEEN,
            reasons=(why, *words.evidence(found)),
            evidence=found,
        )


def _parts(result: LanguageResult) -> tuple[float, float, float]:
    found = result.rule.macro_f1
    return found.value, found.low, found.high
