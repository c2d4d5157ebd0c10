"""Paper, colours and pen of the figures. Needs matplotlib; its object interface, so no window and no global state."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import ModelError
from pipeline.sentiment.measure.results import Way

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 150
WIDE: Final = 4.8
"""Inches: 720 dots, so that letters are readable at the width of a phone."""
COLOURS: Final = 64


@dataclass(frozen=True)
class Theme:
    """Colours of one background. The pair of lines is told apart by colour-blind people (Okabe & Ito 2008)."""

    background: str
    text: str
    quiet: str
    grid: str
    argmax: str
    rule: str
    other: str
    heat: str

    def of(self, way: Way) -> str:
        """The colour of a way."""
        return self.argmax if way == "argmax" else self.rule


LIGHT: Final = Theme("#ffffff", "#1a1d21", "#5b6470", "#dfe3e8", "#c65102", "#0068a8", "#7a5195", "#0068a8")
DARK: Final = Theme("#15181c", "#e8eaed", "#a3acb8", "#333941", "#f0934d", "#5db4ea", "#c39bd8", "#5db4ea")


def require_matplotlib() -> None:
    """Raise ModelError that says how to get it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise ModelError(
            "the report draws with matplotlib, which is not installed: pip install 'babelwatch[report]' (in a "
            "checkout: make setup-dev or make setup-train); without --report it is not needed"
        ) from None


def new_figure(theme: Theme, height: float) -> "tuple[Figure, Axes]":
    """A figure with one pair of axes; ``height`` in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE, height), dpi=DPI, facecolor=theme.background, layout="constrained")
    axes = figure.add_subplot()
    _style([axes], theme)
    return figure, axes


def two_rows(theme: Theme, height: float) -> "tuple[Figure, Axes, Axes]":
    """A figure with a flat second pair of axes below, on the same x."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE, height), dpi=DPI, facecolor=theme.background, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    _style([above, below], theme)
    return figure, above, below


def _style(several: "Sequence[Axes]", theme: Theme) -> None:
    for axes in several:
        axes.set_facecolor(theme.background)
        axes.tick_params(colors=theme.text, labelsize=10)
        for spine in axes.spines.values():
            spine.set_color(theme.grid)
        for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
            text.set_color(theme.text)
        axes.set_axisbelow(True)


def legend(axes: "Axes", theme: Theme, above: bool = False) -> None:
    """Inside where there is room, or ``above`` the axes."""
    place: dict[str, Any] = (
        {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2} if above else {"loc": "best"}
    )
    axes.legend(frameon=False, labelcolor=theme.text, fontsize=9, **place)


def png(figure: "Figure") -> bytes:
    """PNG bytes. Few colours, so a palette: a third of the size, which counts where a page holds fifty of them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # savefig would draw twice
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    out = io.BytesIO()
    drawn.quantize(COLOURS).save(out, format="png", optimize=True)
    return out.getvalue()
