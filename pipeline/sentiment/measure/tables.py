"""An evaluation on a terminal: within 80 columns, the doubt beside every number."""

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.sentiment.measure import noise
from pipeline.sentiment.measure.results import (
    WAYS,
    Against,
    Biases,
    Difference,
    Estimate,
    Evaluation,
    LanguageResult,
    MeanScores,
    PairedDifference,
    Scores,
)
from pipeline.terminal import printable
from schemas.events import LABELS

NAME_CHARS = 12
FEW = "*"
NOISE = "#"


def points(one: Estimate, signed: bool = False) -> str:
    """``60.6 (55-66)``: times 100, the interval in whole points; a difference with sign and decimals."""
    if signed:
        return f"{100 * one.value:+.1f} ({100 * one.low:.1f}, {100 * one.high:.1f})"
    value = f"{100 * one.value:.1f}" if one.value < 0.9995 else "100"
    return f"{value} ({100 * one.low:.0f}-{100 * one.high:.0f})"


def error(one: Estimate) -> str:
    """``.10 (.00-.16)``: a calibration error."""
    return f"{_short(one.value)} ({_short(one.low)}-{_short(one.high)})"


def _short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.1f}"


def _table(title: str, columns: tuple[str, ...], left: int = 1) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.padding = (0, 1, 0, 0)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=True)
    return table


def summary(evaluation: Evaluation) -> RenderableType:
    """The table of languages, the means, the comparison and the notes."""
    parts: list[RenderableType] = [_languages(evaluation)]
    if evaluation.against is not None:
        parts.append(_differences(evaluation, evaluation.against))
    if evaluation.biases is not None:
        parts.append(_biases(evaluation, evaluation.biases))
    parts.append(_legend(evaluation))
    return Group(*parts)


def _languages(evaluation: Evaluation) -> Table:
    title = (
        f"{printable(evaluation.model)} on {printable(evaluation.data, 60)}\nwith the rule {printable(evaluation.rule)}"
    )
    columns = ("language", "texts", "F1 argmax", "F1 rule", "recall rule", "calibration")
    table = _table(title, columns)
    for one in evaluation.languages:
        name = printable(one.language, NAME_CHARS) + _mark(one)
        table.add_row(Text(name), f"{one.texts:,}", *_cells(one.argmax, one.rule), style="" if one.counts else "dim")
    for mean in evaluation.means:
        table.add_section()
        table.add_row(f"mean of {len(mean.languages)}", "", *_cells(mean.argmax, mean.rule), style="bold")
    return table


def _mark(one: LanguageResult) -> str:
    return f" {NOISE}" if one.noise else "" if one.enough else f" {FEW}"


def _mark_of(note: str) -> str:
    return NOISE if noise.SAID in note else FEW if "too few" in note else "!"


def _cells(argmax: MeanScores, rule: MeanScores) -> tuple[str, ...]:
    return points(argmax.macro_f1), points(rule.macro_f1), points(rule.macro_recall), error(rule.calibration)


def _differences(evaluation: Evaluation, against: Against) -> Table:
    other = against.evaluation
    title = f"this model less {printable(other.model)} (rule {printable(other.rule)})"
    table = _table(title, ("language", "F1 argmax", "F1 rule", "alone", "p", "p Holm"))
    marks = {one.language: _mark(one) for one in evaluation.languages}
    for one in against.languages:
        table.add_row(
            Text(printable(one.language, NAME_CHARS) + marks[one.language]),
            points(one.argmax.macro_f1, signed=True),
            *_paired(one.rule),
            style=_style(one.rule),
        )
    for mean in against.means:
        table.add_section()
        differences = (points(mean.argmax.macro_f1, signed=True), points(mean.rule.macro_f1, signed=True))
        table.add_row(f"mean of {len(mean.languages)}", *differences, style=_style(mean.rule))
    return table


def _biases(evaluation: Evaluation, found: Biases) -> Table:
    table = _table(
        f"with the recorded biases ({'' if found.shipped else 'not '}in the rule) less without",
        ("language", "F1 rule", "alone", "p", "p Holm"),
    )
    marks = {one.language: _mark(one) for one in evaluation.languages}
    for one in found.languages:
        name = Text(printable(one.language, NAME_CHARS) + marks[one.language])
        table.add_row(name, *_paired(one), style=_style(one))
    for mean in found.means:
        table.add_section()
        table.add_row(f"mean of {len(mean.languages)}", points(mean.macro_f1, signed=True), style=_style(mean))
    return table


def _paired(one: PairedDifference) -> tuple[str, ...]:
    alone = f"{one.only_this:,}:{one.only_other:,}"
    return points(one.macro_f1, signed=True), alone, p_value(one.p), p_value(one.p_holm)


def _style(one: Difference) -> str:
    return "bold" if one.macro_f1.clear else ""


def p_value(value: float) -> str:
    """Three decimals, or ``<.001``."""
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


def _legend(evaluation: Evaluation) -> Text:
    lines = [
        "F1: macro-F1 x 100; argmax: without the rule; recall: macro recall x 100;",
        "calibration: debiased error of the rule's probabilities; (95% interval)",
    ]
    if evaluation.against is not None or evaluation.biases is not None:
        lines += [
            "alone: texts that only this model (rule) gets right:that only the other does;",
            "p: McNemar's exact test of these; bold: the interval of F1 does not hold 0",
        ]
    lines += [f"mean of {len(mean.languages)}: {', '.join(mean.languages)}" for mean in evaluation.means]
    lines += [f"{_mark_of(note)} {note}" for note in evaluation.notes]
    return Text("\n".join(printable(line) for line in lines), style="dim")


def details(evaluation: Evaluation) -> Iterator[RenderableType]:
    """Per language: each class with and without the rule, and the confusion tables."""
    for one in evaluation.languages:
        yield _classes(one)
        yield _confusion(one)


def _classes(one: LanguageResult) -> Table:
    columns = ("label", "way", "texts", "given", "precision", "recall", "F1")
    table = _table(f"{printable(one.language, 60)}: by label", columns, left=2)
    for index, label in enumerate(LABELS):
        for way in WAYS:
            scores = one.scores(way).classes[index]
            cells = [points(value) if value else "-" for value in (scores.precision, scores.recall, scores.f1)]
            table.add_row(label, way, f"{scores.texts:,}", f"{scores.given:,}", *cells)
    return table


def _confusion(one: LanguageResult) -> Table:
    columns = ("it is", *(f"{way}\n{label}" for way in WAYS for label in LABELS))
    table = _table(f"{printable(one.language, 60)}: what it is, and what it was called", columns)
    tables: list[Scores] = [one.scores(way) for way in WAYS]
    for index, label in enumerate(LABELS):
        table.add_row(label, *(f"{count:,}" for scores in tables for count in scores.confusion[index]))
    return table
