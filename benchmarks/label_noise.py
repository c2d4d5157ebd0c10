"""Do the labels of a set fit its texts? Looked at with the shipped model where it can be trusted: on English texts.

UMSAB's folders of other languages hold some texts that are English, and texts that the model is very sure of. Where
labels are right, the model agrees with them there as it does on the English folder. In the copy of UMSAB's Hindi
validation part that this project has, it agrees no more often than chance: its labels do not belong to its texts, and
a score on it says nothing.

``python -m benchmarks label_noise``; skipped without the data.
"""

from typing import Any

import numpy as np

from benchmarks.language import DATA
from pipeline.language import _predict
from pipeline.sentiment.model import load_model
from pipeline.settings import load_settings
from pipeline.text import clean_for_language
from schemas.events import LABELS

SURE = 0.8
"""Probability from which the model is sure: it is right there in 9 of 10 English texts."""
ENGLISH = 0.5


def run(quick: bool) -> dict[str, Any]:
    """Agreement of the model with the labels, per folder: on all texts, where it is sure, on texts that are English."""
    folders = sorted(path.parent for path in DATA.glob("*/val_text.txt"))
    if not folders:
        return {"skipped": f"{DATA} is not on this machine"}
    model = load_model(load_settings())
    figures: dict[str, Any] = {"model": model.name}
    for folder in folders:
        texts = (folder / "val_text.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        gold = np.array([int(label) for label in (folder / "val_labels.txt").read_text().split()])
        judged = model.judge(texts, ["und"] * len(texts))
        right = np.array([LABELS.index(one.label) for one in judged if one.label != "unsure"]) == gold
        sure = np.array([max(one.negative, one.neutral, one.positive) for one in judged]) >= SURE
        english = np.array([_predict(clean_for_language(text), 1).get("en", 0.0) >= ENGLISH for text in texts])
        figures[folder.name] = {
            "right, all": _share(right),
            "right, sure": _share(right[sure]),
            "sure": int(sure.sum()),
            "right, English": _share(right[english]),
            "English": int(english.sum()),
        }
    return figures


def _share(values: "np.ndarray[Any, Any]") -> float | None:
    return round(float(values.mean()), 2) if len(values) else None
