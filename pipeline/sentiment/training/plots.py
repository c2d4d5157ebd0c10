"""Pictures of a run: loss and learning rate of each stage by step."""

import json
from pathlib import Path
from typing import Final

from pipeline.errors import ModelError
from pipeline.sentiment.training.runs import FACTS

PICTURE: Final = "training.png"


def plot_run(folder: Path, stages: list[str]) -> None:
    """Write :data:`PICTURE` into ``folder``: a column per stage that learned; nothing when all are averages.

    Raises ModelError without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise ModelError("matplotlib is not installed: run `make setup-train`") from None
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    read = {name: json.loads((folder / name / FACTS).read_text()) for name in stages}
    learned = {name: facts for name, facts in read.items() if facts["history"]}
    if not learned:
        return
    figure, axes = plt.subplots(2, len(learned), figsize=(4.2 * len(learned), 5.0), sharex="col", squeeze=False)
    for column, (name, facts) in enumerate(learned.items()):
        lines = [line for line in facts["history"] if "loss" in line]
        steps = [line["step"] for line in lines]
        axes[0][column].plot(steps, [float(line["loss"]) for line in lines], color="#2563eb", linewidth=1.4)
        axes[0][column].set_title(f"{name}: {facts['examples']:,} texts, {facts['seconds'] / 60:.0f} min", fontsize=10)
        axes[1][column].plot(steps, [float(line["learning_rate"]) for line in lines], color="#64748b", linewidth=1.4)
        axes[1][column].set_xlabel("step")
        for axis in (axes[0][column], axes[1][column]):
            axis.grid(alpha=0.25)
            axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("loss (mean of 20 steps)")
    axes[1][0].set_ylabel("learning rate of one group")
    figure.tight_layout()
    figure.savefig(folder / PICTURE, dpi=130)
    plt.close(figure)
