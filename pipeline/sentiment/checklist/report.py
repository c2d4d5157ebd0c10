"""From outcomes to failure rates per language and capability, with their intervals. Pure arithmetic."""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

from pipeline.sentiment.checklist import run, suite
from pipeline.sentiment.checklist.cases import CAPABILITIES, languages
from pipeline.sentiment.checklist.run import Outcome
from pipeline.sentiment.model import SentimentModel
from schemas.events import LABELS

Z: Final = 1.959964
"""Normal quantile of a two-sided 95% interval."""
BLIND: Final = "neutral"
"""The label of the blind model that every rate must be read beside."""


class Rate(Struct, frozen=True, kw_only=True):
    """Failures among some cases: share 0 to 1 and its 95% Wilson interval."""

    name: str
    cases: int
    failures: int
    rate: float
    low: float
    high: float


class Row(Struct, frozen=True, kw_only=True):
    """One language, all of them together, or the blind model."""

    tag: str
    name: str
    capabilities: list[Rate]
    """Those that the language has, in the order of CAPABILITIES."""
    types: list[Rate]
    """MFT, INV, DIR."""
    expected: list[Rate]
    """MFT cases by the label that is expected, in LABELS' order: where the model leans."""
    worst: str | None
    """The capability whose interval begins highest; None when nothing fails."""


class Report(Struct, frozen=True, kw_only=True):
    """One model on the suite."""

    suite: str
    model: str
    rule: str
    languages: list[Row]
    total: Row
    blind: Row
    """What a model that calls every text neutral would get: invariance and direction cost it nothing."""
    failures: list[Outcome]
    """Every case that failed, in the order of the suite."""


def check(model: SentimentModel, tags: Sequence[str] = (), progress: run.Progress | None = None) -> Report:
    """Run the suite, or some of its languages, on a model. Raises InputError for a language that it does not have."""
    return summarise(model.name, model.rule, run.run(model, suite.load(tags), progress))


def summarise(model: str, rule: str, outcomes: Sequence[Outcome]) -> Report:
    """Count. ``outcomes`` may be of any part of the suite; languages come in its order."""
    tags = {one.case.language for one in outcomes}
    return Report(
        suite=suite.version(),
        model=model,
        rule=rule,
        languages=[
            row(tag, facts.name, [one for one in outcomes if one.case.language == tag])
            for tag, facts in languages().items()
            if tag in tags
        ],
        total=row("all", "All languages", outcomes),
        blind=row("blind", f"A model that says {BLIND} of every text", run.always(BLIND, [o.case for o in outcomes])),
        failures=[one for one in outcomes if not one.passed],
    )


def row(tag: str, name: str, outcomes: Sequence[Outcome]) -> Row:
    """The rates of some outcomes; groups without a case are left out."""
    capabilities = _rates((name, [o for o in outcomes if o.case.capability == name]) for name in CAPABILITIES)
    worst = max(capabilities, key=lambda one: one.low, default=None)
    return Row(
        tag=tag,
        name=name,
        capabilities=capabilities,
        types=_rates((kind, [o for o in outcomes if o.case.type == kind]) for kind in ("MFT", "INV", "DIR")),
        expected=_rates((label, [o for o in outcomes if o.case.expect == label]) for label in LABELS),
        worst=worst.name if worst and worst.failures else None,
    )


def _rates(groups: Iterable[tuple[str, Sequence[Outcome]]]) -> list[Rate]:
    return [rate(name, len(group), sum(not one.passed for one in group)) for name, group in groups if group]


def rate(name: str, cases: int, failures: int) -> Rate:
    """A rate from counts, ``cases`` at least 1, rounded to 4 decimals."""
    low, high = wilson(failures, cases)
    share = failures / cases
    return Rate(name=name, cases=cases, failures=failures, rate=round(share, 4), low=round(low, 4), high=round(high, 4))


def wilson(failures: int, cases: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927): it stays within 0 and 1 and does not shrink to a point at 0 failures."""
    share = failures / cases
    middle = share + Z * Z / (2 * cases)
    half = Z * math.sqrt(share * (1 - share) / cases + Z * Z / (4 * cases * cases))
    scale = 1 + Z * Z / cases
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
