"""The figures of the report, as PNG bytes."""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pipeline.sentiment.measure.canvas import LIGHT, Theme, legend, new_figure, png, two_rows
from pipeline.sentiment.measure.results import (
    WAYS,
    Covered,
    Estimate,
    Evaluation,
    LanguageResult,
    MeanResult,
    Scores,
    Way,
)
from pipeline.terminal import printable
from schemas.events import LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

WAY_NAMES: Final[dict[Way, str]] = {"argmax": "without the rule", "rule": "with the rule"}


def forest(evaluation: Evaluation, theme: Theme = LIGHT) -> bytes:
    """Macro-F1 of every language and mean with its interval; both models when two were compared."""
    against = evaluation.against
    rows: list[LanguageResult | MeanResult] = [*evaluation.languages, *evaluation.means]
    names = [_name(one) for one in rows]
    series: list[tuple[str, str, str, list[Estimate]]] = [
        ("o", theme.argmax, WAY_NAMES["argmax"], [one.argmax.macro_f1 for one in rows]),
        ("o", theme.rule, WAY_NAMES["rule"], [one.rule.macro_f1 for one in rows]),
    ]
    if against is not None:
        others: list[LanguageResult | MeanResult] = [*against.evaluation.languages, *against.evaluation.means]
        series = [
            ("o", theme.rule, "this model, with its rule", series[1][3]),
            ("D", theme.other, "the other, with its rule", [one.rule.macro_f1 for one in others]),
        ]
    figure, axes = new_figure(theme, 1.3 + 0.42 * len(rows))
    for place, (marker, colour, label, estimates) in enumerate(series):
        at = [row + (place - 0.5) * 0.34 for row in range(len(rows))]
        values = [100 * one.value for one in estimates]
        # a percentile interval need not hold the value where a class is rare
        low = [max(0.0, value - 100 * one.low) for value, one in zip(values, estimates, strict=True)]
        high = [max(0.0, 100 * one.high - value) for value, one in zip(values, estimates, strict=True)]
        axes.errorbar(
            values, at, xerr=[low, high], fmt=marker, color=colour, label=label, markersize=5, capsize=2.5, lw=1.6
        )
    axes.set_yticks(range(len(rows)), names)
    for tick, one in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if isinstance(one, MeanResult) else "normal")
    axes.set_ylim(len(rows) - 0.4, -0.6)
    if evaluation.means:
        axes.axhline(len(evaluation.languages) - 0.5, color=theme.quiet, lw=0.8)
    axes.grid(axis="x", color=theme.grid, lw=0.8)
    axes.set_xlabel("macro-F1 x 100, 95% interval")
    legend(axes, theme, above=True)
    return png(figure)


def _name(one: LanguageResult | MeanResult) -> str:
    if isinstance(one, MeanResult):
        return f"mean of {len(one.languages)}"
    doubt = one.doubt if one.noise else f"only {one.texts}"
    return _safe(one) if one.counts else f"{_safe(one)}\n({doubt})"


def _safe(one: LanguageResult) -> str:
    """The language's name, or its tag when the figures' font may lack its letters; dollars would begin a formula."""
    return printable(one.language, 24).replace("$", r"\$") if one.language.isascii() else one.tag


def reliability(one: LanguageResult, way: Way, theme: Theme = LIGHT) -> bytes:
    """Share of right labels over confidence in bins of equal mass, and how many texts have which confidence."""
    scores = one.scores(way)
    figure, axes, counts = two_rows(theme, 5.0)
    sure, right = [one.confidence for one in scores.bins], [one.right for one in scores.bins]
    axes.plot([0, 1], [0, 1], color=theme.quiet, lw=1, ls="--", label="perfect")
    _chance_band(axes, scores, theme)
    few, most = min(one.texts for one in scores.bins), max(one.texts for one in scores.bins)
    mass = f"{few:,} texts" if few == most else f"{few:,} or {most:,} texts"
    label = f"{len(sure)} bins of {mass}" if len(sure) > 1 else f"one bin of {mass}"
    axes.plot(sure, right, "o-", color=theme.of(way), lw=1.6, markersize=5, label=label)
    axes.set_xlim(1 / 3 - 0.02, 1.01)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("share that is right")
    axes.grid(color=theme.grid, lw=0.8)
    error = scores.calibration
    title = f"{_safe(one)}, {WAY_NAMES[way]}"
    axes.set_title(
        f"{title}\ncalibration error {error.value:.3f} ({error.low:.3f} to {error.high:.3f}), "
        f"plain {scores.plain_calibration:.3f}",
        fontsize=10,
    )
    legend(axes, theme)
    _histogram(counts, scores, theme, way)
    return png(figure)


def _chance_band(axes: "Axes", scores: Scores, theme: Theme) -> None:
    """Where a bin's point falls in 95% of cases if the model is calibrated (consistency, Broecker & Smith 2007)."""
    bins = scores.bins
    sure = [one.confidence for one in bins] if len(bins) > 1 else [bins[0].confidence - 0.02, bins[0].confidence + 0.02]
    half = [
        1.96 * (one.confidence * (1 - one.confidence) / one.texts) ** 0.5 for one in (bins[0], *bins[1:-1], bins[-1])
    ]
    low, high = [a - b for a, b in zip(sure, half, strict=True)], [a + b for a, b in zip(sure, half, strict=True)]
    axes.fill_between(sure, low, high, color=theme.quiet, alpha=0.18, lw=0, label="within chance, if perfect")


def _histogram(axes: "Axes", scores: Scores, theme: Theme, way: Way) -> None:
    """Texts per tenth of confidence: bins of equal mass are narrow where there are many, and area is their number."""
    sure = [one.confidence for one in scores.bins]
    edges = [sure[0], *((a + b) / 2 for a, b in pairwise(sure)), sure[-1]]
    edges[0] = max(1 / 3, 2 * sure[0] - edges[1]) if len(sure) > 1 else max(1 / 3, sure[0] - 0.02)
    edges[-1] = min(1.0, 2 * sure[-1] - edges[-2]) if len(sure) > 1 else min(1.0, sure[0] + 0.02)
    widths = [max(b - a, 1e-3) for a, b in pairwise(edges)]
    heights = [one.texts / width / 10 for one, width in zip(scores.bins, widths, strict=True)]
    axes.bar(edges[:-1], heights, widths, align="edge", color=theme.of(way), edgecolor=theme.background, lw=0.6)
    axes.set_xlabel("confidence: probability of the label given")
    axes.set_ylabel("texts\nper 0.1")
    axes.grid(axis="y", color=theme.grid, lw=0.8)


def confusion(one: LanguageResult, way: Way, theme: Theme = LIGHT) -> bytes:
    """Counts, shaded by the share of their row: what texts of one label were called."""
    table = one.scores(way).confusion
    figure, axes = new_figure(theme, 3.6)
    for row, counts in enumerate(table):
        total = sum(counts)
        for column, count in enumerate(counts):
            share = count / total if total else 0.0
            axes.add_patch(_square(column, row, theme.heat, share))
            dark = share > 0.55
            colour = theme.background if dark else theme.text
            axes.text(column, row - 0.08, f"{count:,}", ha="center", va="center", fontsize=13, color=colour)
            if total:
                axes.text(column, row + 0.24, f"{100 * share:.0f}%", ha="center", va="center", fontsize=9, color=colour)
    axes.set_xlim(-0.5, 2.5)
    axes.set_ylim(2.5, -0.5)
    axes.set_xticks(range(3), LABELS)
    axes.set_yticks(range(3), LABELS)
    axes.tick_params(length=0)
    axes.set_xlabel("called")
    axes.set_ylabel("is")
    axes.set_title(f"{_safe(one)}, {WAY_NAMES[way]}", fontsize=10)
    return png(figure)


def _square(column: int, row: int, colour: str, share: float) -> "Patch":
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, alpha=0.06 + 0.94 * share, lw=0)


def coverage(one: LanguageResult, theme: Theme = LIGHT, other: LanguageResult | None = None) -> bytes:
    """Error among the surest texts, over the share of texts that they are."""
    figure, axes = new_figure(theme, 3.6)
    lines: list[tuple[list[Covered], str, str, str]] = [
        (one.scores(way).coverage, theme.of(way), "-", WAY_NAMES[way]) for way in WAYS
    ]
    if other is not None:
        lines.append((other.rule.coverage, theme.other, "--", "the other model, with its rule"))
    for points, colour, style, label in lines:
        axes.plot(
            [100 * point.coverage for point in points],
            [100 * point.error for point in points],
            style,
            color=colour,
            lw=1.8,
            label=label,
        )
    axes.set_xlim(0, 101)
    axes.set_ylim(0, max(10.0, 1.08 * max(100 * point.error for points, *_ in lines for point in points)))
    axes.set_xlabel("coverage: % of texts judged, the surest first")
    axes.set_ylabel("% of these wrong")
    axes.grid(color=theme.grid, lw=0.8)
    axes.set_title(f"{_safe(one)}: error over coverage", fontsize=10)
    legend(axes, theme)
    return png(figure)
