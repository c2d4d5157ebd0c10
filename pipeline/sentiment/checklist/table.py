"""The report for people: lines of at most 100 columns, or Markdown for ``docs/checklist.md``. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size

from pipeline.sentiment.checklist.cases import CAPABILITIES
from pipeline.sentiment.checklist.report import Rate, Report, Row
from pipeline.sentiment.checklist.run import Outcome
from pipeline.terminal import printable

WIDTH: Final = 100
HALF: Final = 9
"""Capabilities to a table: two tables are 100 columns wide at most."""
BEGIN: Final = "<!-- babelwatch model check: begin -->"
END: Final = "<!-- babelwatch model check: end -->"

HEADS: Final = {
    "vocabulary": "vocab.",
    "intensity": "intens.",
    "stretching": "stretch",
    "questions": "quest.",
    "politeness": "polite",
    "romanisation": "roman.",
}
"""Capabilities whose names are too long for the head of a column of the terminal's tables."""

Cells = list[list[str]]


def lines(report: Report, examples: int) -> Iterator[str]:
    """Heading, three tables and up to ``examples`` failures of each language."""
    yield f"{report.model}, rule {report.rule}, {report.suite}"
    yield "failures in % of n cases; blind: a model that calls every text neutral"
    for table in _tables(report):
        yield ""
        yield from _aligned(table)
    for row in report.languages if examples else ():
        failed = _spread([one for one in report.failures if one.case.language == row.tag], row, examples)
        if failed:
            yield ""
            yield f"{row.tag}: {row.name}"
            for one in failed:
                yield from explained(one)


def markdown(report: Report) -> str:
    """Heading and tables as Markdown, between the two marks that :func:`replaced` looks for."""
    heading = f"Model `{report.model}`, rule `{report.rule}`, suite `{report.suite}`."
    tables = ["\n".join(_piped(table)) for table in _tables(report)]
    return "\n\n".join([BEGIN, heading, *tables, END])


def replaced(page: str, new: str) -> str | None:
    """``page`` with what stands between the marks exchanged for ``new``; None when it does not have both."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return before + new + after if begin and end else None


def explained(outcome: Outcome) -> Iterator[str]:
    """What was expected of a case and what came, then its texts, each on a line, cut to the width."""
    case = outcome.case
    yield f"  {case.id} ({case.type}, {case.capability}): {_wanted(outcome)}"
    for text, one in zip(case.texts, outcome.readings, strict=True):
        shown = printable(text)
        room = WIDTH - 22
        cut = shown if cell_len(shown) <= room else set_cell_size(shown, room - 1).rstrip() + "…"
        yield f"    {one.label:<8} {one.score:+.2f}  {cut}"


def _wanted(outcome: Outcome) -> str:
    expect = outcome.case.expect
    if expect == "same":
        return "the same label was expected"
    if expect in {"up", "down"}:
        return f"the score was not to {'fall' if expect == 'up' else 'rise'}"
    return f"{expect} was expected"


def _spread(failed: Sequence[Outcome], row: Row, count: int) -> list[Outcome]:
    """``count`` failures: one of each capability in turn, the worst capability first."""
    order = sorted(row.capabilities, key=lambda one: -one.low)
    queues = [[one for one in failed if one.case.capability == rate.name] for rate in order]
    depth = max(map(len, queues), default=0)
    return [queue[at] for at in range(depth) for queue in queues if at < len(queue)][:count]


def _tables(report: Report) -> Iterator[Cells]:
    rows = [*report.languages, report.total, report.blind]
    for start in range(0, len(CAPABILITIES), HALF):
        names = CAPABILITIES[start : start + HALF]
        yield [["", *names], *([row.tag, *_cells(names, row.capabilities)] for row in rows)]
    yield [
        ["", "MFT", "INV", "DIR", "neg", "neu", "pos", "worst capability"],
        *([row.tag, *_types(row), *_leaning(row), _worst(row)] for row in rows),
    ]


def _cells(names: Sequence[str], rates: Iterable[Rate]) -> list[str]:
    known = {one.name: one for one in rates}
    return [f"{known[name].rate:.0%} {known[name].cases}" if name in known else "-" for name in names]


def _types(row: Row) -> list[str]:
    known = {one.name: one for one in row.types}
    return [f"{interval(known[name])} {known[name].cases}" if name in known else "-" for name in ("MFT", "INV", "DIR")]


def _leaning(row: Row) -> list[str]:
    known = {one.name: one for one in row.expected}
    return [f"{known[name].rate:.0%}" if name in known else "-" for name in ("negative", "neutral", "positive")]


def _worst(row: Row) -> str:
    return next((f"{one.name} {one.rate:.0%} {one.cases}" for one in row.capabilities if one.name == row.worst), "-")


def interval(rate: Rate) -> str:
    """``33% [15-58]``: the rate and its 95% interval, in percent."""
    return f"{rate.rate:.0%} [{rate.low * 100:.0f}-{rate.high * 100:.0f}]"


def _aligned(cells: Cells) -> Iterator[str]:
    short = [[HEADS.get(name, name) for name in cells[0]], *cells[1:]]
    widths = [max(map(len, column)) for column in zip(*short, strict=True)]
    for first, *rest in short:
        yield " ".join([first.ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(rest, widths[1:], strict=True))])


def _piped(cells: Cells) -> Iterator[str]:
    head, *body = cells
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in body:
        yield "| " + " | ".join(row) + " |"
