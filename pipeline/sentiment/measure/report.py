"""An evaluation as a folder: report.html, one file that needs no other, and every figure as a PNG."""

import base64
import re
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Final

from pipeline.errors import InputError
from pipeline.sentiment.measure import plots
from pipeline.sentiment.measure.canvas import DARK, LIGHT, Theme, require_matplotlib
from pipeline.sentiment.measure.page import REPORT, Picture, page
from pipeline.sentiment.measure.results import WAYS, Evaluation, LanguageResult

Draw = Callable[[Theme], bytes]
Progress = Callable[[int, int], None]
FOREST: Final = "forest"


def slug(name: str) -> str:
    """A file name of lower-case ASCII letters, digits and hyphens; ``x`` when nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "x"


def figures(evaluation: Evaluation) -> dict[str, Draw]:
    """Name of each figure (its file without ``.png``) -> what draws it."""
    found: dict[str, Draw] = {FOREST: lambda theme: plots.forest(evaluation, theme)}
    for index, one in enumerate(evaluation.languages):
        other = evaluation.against.evaluation.languages[index] if evaluation.against is not None else None
        found |= dict(_of_language(one, other, key(evaluation, index)))
    return found


def key(evaluation: Evaluation, index: int) -> str:
    """What the figures of a language are called; numbered where two languages would be called the same."""
    names = [slug(one.language) for one in evaluation.languages]
    return names[index] if names.count(names[index]) == 1 else f"{names[index]}-{index + 1}"


def _of_language(one: LanguageResult, other: LanguageResult | None, name: str) -> Iterator[tuple[str, Draw]]:
    for way in WAYS:
        yield f"reliability-{name}-{way}", lambda theme, way=way: plots.reliability(one, way, theme)  # type: ignore[misc]
        yield f"confusion-{name}-{way}", lambda theme, way=way: plots.confusion(one, way, theme)  # type: ignore[misc]
    yield f"coverage-{name}", lambda theme: plots.coverage(one, theme, other)


def prepare(folder: Path) -> None:
    """Make the folder and find out that the report can be drawn, before minutes are spent on judging.

    Raises ModelError without matplotlib and InputError when the folder cannot be written.
    """
    require_matplotlib()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REPORT).touch()
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): give --report another folder") from None


def write_report(evaluation: Evaluation, folder: Path, progress: Progress | None = None) -> Path:
    """Write the PNGs on a light ground and report.html, which holds them on both grounds; returns its path."""
    drawings = figures(evaluation)
    shown: dict[str, Picture] = {}
    for done, (name, draw) in enumerate(drawings.items(), start=1):
        light = draw(LIGHT)
        (folder / f"{name}.png").write_bytes(light)
        if not name.startswith("confusion-"):  # the page has a table for these
            shown[name] = Picture(_data(light), _data(draw(DARK)))
        if progress is not None:
            progress(done, len(drawings))
    keys = [key(evaluation, index) for index in range(len(evaluation.languages))]
    path = folder / REPORT
    path.write_text(page(evaluation, shown, keys), encoding="utf-8")
    return path


def _data(png: bytes) -> str:
    return escape(f"data:image/png;base64,{base64.b64encode(png).decode()}")
