"""What an evaluation found: the content of evaluation.json, of the card's table and of the report.

Shares and scores are 0 to 1, rounded to four decimals. ``argmax`` is the label of the model's own log-probabilities,
``rule`` the label after the decision rule; everything is given for both.
"""

import re
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from pipeline.errors import ModelError
from pipeline.sentiment.measure import noise

FILE: Final = "evaluation.json"
FORMAT: Final = 2
MIN_TEXTS: Final = 100
"""A language with fewer is shown, marked, and not part of any mean: its interval is wider than 20 points."""
Way = Literal["argmax", "rule"]
WAYS: Final[tuple[Way, Way]] = ("argmax", "rule")


class Estimate(Struct, frozen=True):
    """A number and its 95% interval."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """Of a difference: the interval does not hold 0."""
        return self.low > 0 or self.high < 0


class ClassScores(Struct, frozen=True, kw_only=True):
    """One label. None where there is nothing to divide by: no text has it, or the model never gave it."""

    label: str
    texts: int
    given: int
    precision: Estimate | None
    recall: Estimate | None
    f1: Estimate | None


class Bin(Struct, frozen=True, array_like=True):
    """Texts of about equal confidence."""

    texts: int
    confidence: float
    right: float


class Covered(Struct, frozen=True, array_like=True):
    """If only this share of the texts (the surest ones) is judged, this share of those is wrong."""

    coverage: float
    error: float


class MeanScores(Struct, frozen=True, kw_only=True):
    """What has a meaning as a mean over languages. ``calibration`` is the debiased error (see calibration.py)."""

    macro_f1: Estimate
    macro_recall: Estimate
    accuracy: Estimate
    calibration: Estimate


class Scores(MeanScores, frozen=True, kw_only=True):
    """Everything about one language in one way. ``given``: shares of the labels given, in LABELS' order."""

    plain_calibration: float
    brier: float
    log_loss: float
    classes: list[ClassScores]
    confusion: list[tuple[int, int, int]]
    given: tuple[float, float, float]
    bins: list[Bin]
    coverage: list[Covered]
    mean_risk: float
    """Area under the curve of error over coverage: the mean error rate over all coverages."""


class LanguageResult(Struct, frozen=True, kw_only=True):
    """One language. ``enough`` is False below MIN_TEXTS; ``missing`` are labels that no text has."""

    language: str
    tag: str
    texts: int
    duplicates: int
    contradictions: int
    missing: list[str]
    enough: bool
    sha256: str
    argmax: Scores
    rule: Scores
    gain: Estimate
    """Macro-F1 with the rule less without it, on the same resamples."""

    @property
    def noise(self) -> bool:
        """Whether it is a set whose labels are known not to belong to its texts; old files are marked as well."""
        return self.sha256 in noise.SETS

    @property
    def counts(self) -> bool:
        """Whether the numbers say something about the language: in means, as best or worst, as measured."""
        return self.enough and not self.noise

    @property
    def doubt(self) -> str:
        """Why it does not count, in three words; empty when it does."""
        return noise.SHORT if self.noise else "" if self.enough else "too few to tell"

    def scores(self, way: Way) -> Scores:
        """The scores of one way."""
        return self.argmax if way == "argmax" else self.rule


class MeanResult(Struct, frozen=True, kw_only=True):
    """Unweighted mean over languages (calibration: root of the mean square)."""

    languages: list[str]
    argmax: MeanScores
    rule: MeanScores
    gain: Estimate

    def scores(self, way: Way) -> MeanScores:
        """The scores of one way."""
        return self.argmax if way == "argmax" else self.rule


class Difference(Struct, frozen=True, kw_only=True):
    """This model less the other, on the same resamples."""

    macro_f1: Estimate
    accuracy: Estimate


class PairedDifference(Difference, frozen=True, kw_only=True):
    """One language: with McNemar's exact test on the texts that one model alone gets right."""

    only_this: int
    only_other: int
    p: float
    p_holm: float
    """Corrected over all languages."""


class LanguageDifference(Struct, frozen=True, kw_only=True):
    """The two models in one language."""

    language: str
    argmax: PairedDifference
    rule: PairedDifference


class MeanDifference(Struct, frozen=True, kw_only=True):
    """The two models in the mean over languages."""

    languages: list[str]
    argmax: Difference
    rule: Difference


class RuleDifference(PairedDifference, frozen=True, kw_only=True):
    """One language under two rules of one model."""

    language: str


class RuleMean(Difference, frozen=True, kw_only=True):
    """The mean over languages under two rules of one model."""

    languages: list[str]


class Biases(Struct, frozen=True, kw_only=True):
    """The rule with the biases that the export estimated, less the rule without them (see biases.py)."""

    shipped: bool
    """Whether they are in the model's own rule."""
    languages: list[RuleDifference]
    means: list[RuleMean]


class Evaluation(Struct, frozen=True, kw_only=True):
    """One model on one labelled set, and perhaps against another model on the same."""

    format: int = FORMAT
    model: str
    rule: str
    data: str
    tags: Literal["given", "detected"]
    """Whether the rule was told the data's own language, or what the detector found in each text."""
    resamples: int
    seed: int
    notes: list[str]
    languages: list[LanguageResult]
    means: list[MeanResult]
    against: "Against | None" = None
    biases: Biases | None = None


class Against(Struct, frozen=True, kw_only=True):
    """The other model, its own results and the differences."""

    evaluation: Evaluation
    languages: list[LanguageDifference]
    means: list[MeanDifference]


def encode(evaluation: Evaluation) -> bytes:
    """Indented JSON in which a list or object without others in it stands on one line."""
    text = msgspec.json.format(msgspec.json.encode(evaluation), indent=1).decode()
    return (re.sub(r"[\[{]\s[^\[\]{}\"]*[\]}]|\{[^\[\]{}]*\}", _on_one_line, text) + "\n").encode()


def _on_one_line(match: re.Match[str]) -> str:
    return (
        re.sub(r"\s*\n\s*", " ", match[0]).replace("[ ", "[").replace(" ]", "]").replace("{ ", "{").replace(" }", "}")
    )


def read_evaluation(path: Path) -> Evaluation:
    """The evaluation of a model folder. Raises ModelError when it is not valid."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evaluation)
    except (msgspec.DecodeError, UnicodeDecodeError, OSError) as error:
        raise ModelError(f"{path} is not valid ({error}): `babelwatch model evaluate --write` makes it") from None
