"""The pictures of docs/decision-rule.md, drawn from the simulation. Needs matplotlib (extra `dev`)."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from benchmarks.decision_rules import BIAS, RULES, Outcome, by_mix, by_number, day

# Told apart by colour-blind people too (Okabe & Ito 2008), and by their dashes.
STYLE: Final[dict[str, dict[str, Any]]] = {
    "argmax": {"color": "#8a94a0", "linestyle": (0, (1, 1.2)), "linewidth": 2.2},
    "minus log prior": {"color": "#0068a8", "linestyle": "-", "linewidth": 2.2},
    "parallel bias": {"color": "#00865a", "linestyle": (0, (5, 1.5)), "linewidth": 2.4},
    "class mix (EM)": {"color": "#d55e00", "linestyle": "-", "linewidth": 2.2},
    "both": {"color": "#8a4fa8", "linestyle": (0, (6, 1.5, 1, 1.5)), "linewidth": 2.2},
}
INK: Final = "#1a1d21"
SOFT: Final = "#5b6470"
GRID: Final = "#e3e7ec"
RIGHT: Final = "the model is right about the language"
LEANS: Final = "it leans to neutral by one logit"
NOTE: Final[dict[str, Any]] = {"fontsize": 9.5, "color": "#b34c00"}


def _figure(width: float, height: float, rows: int, columns: int, headline: str) -> tuple[Figure, Any]:
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, rect=(0, 0, 1, 1 - 0.66 / height))
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white", layout=layout)
    figure.text(0.012, 1 - 0.08 / height, headline, ha="left", va="top", fontsize=12.5, fontweight="bold", color=INK)
    axes = figure.subplots(rows, columns, squeeze=False)
    for one in axes.flat:
        one.grid(axis="y", color=GRID, linewidth=0.8)
        one.set_axisbelow(True)
        one.tick_params(colors=SOFT, labelsize=9, length=0)
        for side, spine in one.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(GRID)
    return figure, axes


def _legend(figure: Figure, axes: Axes) -> None:
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0.004, 1 - 0.32 / figure.get_figheight()),
        ncols=6,
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        handlelength=2.6,
        columnspacing=1.6,
    )


def _lines(
    axes: Axes, x: Sequence[float], found: Sequence[dict[str, Outcome]], what: Callable[[Outcome], float]
) -> None:
    for rule in RULES:
        axes.plot(x, [what(one[rule]) for one in found], label=rule, **STYLE[rule])


def over_mix(quick: bool) -> Figure:
    """Macro-F1 and net error over the true mix, without and with a bias of the model."""
    figure, axes = _figure(9.2, 6.2, 2, 2, "EM follows the stream, but takes a model's bias for the stream's mix")
    for column, (bias, title) in enumerate(((np.zeros(3), RIGHT), (BIAS, LEANS))):
        curve = by_mix(bias, quick)
        x = [100 * (mix[2] - mix[0]) for mix, _ in curve]
        found = [outcomes for _, outcomes in curve]
        _lines(axes[0, column], x, found, lambda one: one.f1)
        _lines(axes[1, column], x, found, lambda one: one.net_error)
        axes[0, column].set_title(title, loc="left", fontsize=10.5, color=INK)
        axes[0, column].set_ylim(0, 65)
        axes[1, column].set_ylim(0, 90)
        for row in (0, 1):
            ticks = [curve[0], curve[len(curve) // 2], curve[-1]]
            axes[row, column].set_xticks(
                [100 * (mix[2] - mix[0]) for mix, _ in ticks],
                ["/".join(f"{100 * share:.0f}" for share in mix) for mix, _ in ticks],
            )
        axes[1, column].set_xlabel("true mix: negative/neutral/positive, %", fontsize=9.5, color=SOFT)
    axes[0, 1].annotate("EM calls everything neutral", (0, 11), ha="center", va="bottom", **NOTE)
    axes[0, 0].set_ylabel("macro-F1 x 100\n(higher is better)", fontsize=9.5, color=SOFT)
    axes[1, 0].set_ylabel("error of net sentiment, points\n(lower is better)", fontsize=9.5, color=SOFT)
    _legend(figure, axes[0, 0])
    return figure


def over_number(quick: bool) -> Figure:
    """Macro-F1 and net error over the number of mentions."""
    figure, axes = _figure(
        9.2, 3.6, 1, 2, "With more mentions EM counts better; with few it is held back and does no harm"
    )
    curve = by_number(quick)
    x, found = [count for count, _ in curve], [outcomes for _, outcomes in curve]
    _lines(axes[0, 0], x, found, lambda one: one.f1)
    _lines(axes[0, 1], x, found, lambda one: one.net_error)
    titles = ("macro-F1 x 100 (higher is better)", "error of net sentiment, points (lower is better)")
    for one, title, top in zip(axes[0], titles, (65, 20), strict=True):
        one.set_xscale("log")
        one.set_ylim(0, top)
        one.set_yticks(range(0, top + 1, 5 if top < 50 else 10))
        one.set_xticks([200, 1000, 5000, 50_000], ["200", "1,000", "5,000", "50,000"])
        one.minorticks_off()
        one.set_title(title, loc="left", fontsize=10.5, color=INK)
        one.set_xlabel("mentions, of a stream with 15/60/25", fontsize=9.5, color=SOFT)
    _legend(figure, axes[0, 0])
    return figure


def over_day(quick: bool) -> Figure:
    """Net sentiment over a day with a bad afternoon: the truth, and what each rule's labels say."""
    figure, axes = _figure(
        9.2, 3.8, 1, 2, "A day with a bad afternoon: net sentiment as the labels show it (mean of 75 minutes)"
    )
    for one, bias, title in ((axes[0, 0], np.zeros(3), RIGHT), (axes[0, 1], BIAS, LEANS)):
        series = day(bias, quick)
        one.plot(series["hour"], series["true"], color="black", linewidth=3.2, label="the truth")
        for rule in RULES[1:]:
            smooth = np.convolve(np.pad(series[rule], 2, mode="edge"), np.ones(5) / 5, mode="valid")
            one.plot(series["hour"], smooth, label=rule, **STYLE[rule])
        one.set_title(title, loc="left", fontsize=10.5, color=INK)
        one.set_xticks([0, 6, 12, 18, 24], ["0 h", "6 h", "12 h", "18 h", "24 h"])
        one.set_ylim(-70, 30)
        one.axhline(0, color=GRID, linewidth=1.2, zorder=0)
    axes[0, 1].annotate("EM sees no complaint at all", (0.3, -3), ha="left", va="top", **NOTE)
    axes[0, 0].set_ylabel("net sentiment, points", fontsize=9.5, color=SOFT)
    _legend(figure, axes[0, 0])
    return figure


def write(folder: Path, quick: bool) -> list[Path]:
    """Write the three pictures and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw in (("mix", over_mix), ("number", over_number), ("day", over_day)):
        path = folder / f"decision-rules-{name}.png"
        drawn = io.BytesIO()
        draw(quick).savefig(drawn, facecolor="white")
        Image.open(drawn).convert("RGB").quantize(64).save(path, optimize=True)  # few colours: a third of the size
        written.append(path)
    return written
