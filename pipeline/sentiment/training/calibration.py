"""English texts that the static activation scales are measured on. No label is read."""

import html
import random
import re
from pathlib import Path
from typing import Final

from pipeline.errors import ModelError
from pipeline.sentiment.text import normalise

TEXTS: Final = 500
LONG_TEXTS: Final = 60
"""Four texts joined: the scales must also hold for what is longer than a tweet, up to the model's limit."""
SEED: Final = 1
_ESCAPE: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


def decode_escapes(text: str) -> str:
    r"""Undo literal ``\u2019`` escapes, which the 2013 and 2015 files of the training set hold."""
    return _ESCAPE.sub(lambda match: chr(int(match.group(1), 16)), text)


def read_texts(folder: Path) -> list[str]:
    """Normalised, distinct texts (third column) of all ``*.tsv`` of ``folder``, in a stable order.

    Raises ModelError when there are too few of them.
    """
    texts: dict[str, None] = {}
    for path in sorted(folder.glob("*.tsv")):
        for line in path.read_text(encoding="utf-8").split("\n"):
            cells = line.split("\t")
            if len(cells) >= 3 and cells[2].strip() != "Not Available":
                texts[normalise(html.unescape(decode_escapes(cells[2])))] = None
    needed = TEXTS + 4 * LONG_TEXTS
    if len(texts) < needed:
        raise ModelError(
            f"{folder} holds {len(texts)} texts: static scales need at least {needed} English ones, in files "
            "*.tsv with the columns id, label, text (the label is not read); name the folder with --calibration"
        )
    return list(texts)


def calibration_texts(folder: Path) -> list[str]:
    """The texts that scales are measured on: the same in every run."""
    texts = read_texts(folder)
    random.Random(SEED).shuffle(texts)  # noqa: S311 - a fixed sample, not a secret
    joined = texts[TEXTS : TEXTS + 4 * LONG_TEXTS]
    return texts[:TEXTS] + [" ".join(joined[start : start + 4]) for start in range(0, len(joined), 4)]
