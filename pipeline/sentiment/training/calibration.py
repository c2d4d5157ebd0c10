"""Texts that the static activation scales are measured on. No label is read.

Of a run: English ones that it learned from, and texts in other languages, half of each, so that the scales hold for
both. Of bare weights: a folder of English texts.
"""

import hashlib
import html
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from pipeline.errors import ModelError
from pipeline.language import LanguageDetector
from pipeline.sentiment.text import normalise
from pipeline.sentiment.training.runs import StageFacts
from pipeline.sentiment.training.texts import is_held_out, read_labelled, read_pairs, read_unlabelled, sample

TEXTS: Final = 500
LONG_TEXTS: Final = 60
"""Four texts joined: the scales must also hold for what is longer than a tweet, up to the model's limit."""
SEED: Final = 1
EACH: Final = 300
"""Of a run: so many English texts, and as many others."""
JOINED: Final = 30
"""Of either: so many of four texts joined."""
OTHERS: Final = 1500
"""Texts in other languages that are drawn: those beyond the scales' own are for comparing labels."""
BY_LANGUAGE: Final = 600
"""Texts of one language on which the model's confidence is looked at."""
SURE: Final = 0.5
"""Below it a text's language is undetermined, as in the pipeline."""
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


class ScaleTexts(Struct, frozen=True, kw_only=True):
    """How many texts the scales were measured on, and a checksum of all of them in their order."""

    english: int
    other: int
    joined: int
    sha256: str


def of_run(lineage: Sequence[StageFacts], data: Path, held_out: int) -> tuple[list[str], ScaleTexts, list[str]]:
    """The texts for the scales, what they are, and texts in other languages besides (none in a run without any).

    Raises ModelError when there is too little English.
    """
    sources = [source for facts in lineage for source in facts.stage.labelled]
    english = list(dict.fromkeys(one.text for source in sources for one in read_labelled(source, data)))
    english = [text for text in english if not is_held_out(text, held_out)]
    needed = EACH + 4 * JOINED
    if len(english) < needed:
        raise ModelError(f"the run learned from {len(english)} English texts: static scales need {needed} of them")
    others = _others(lineage, data, held_out)
    random.Random(SEED).shuffle(english)  # noqa: S311 - a fixed sample, not a secret
    texts: list[str] = []
    joined: list[str] = []
    for pool in (english, others):
        texts += pool[:EACH]
        joined += [" ".join(pool[start : start + 4]) for start in range(EACH, min(needed, len(pool)), 4)]
    facts = ScaleTexts(english=EACH, other=len(texts) - EACH, joined=len(joined), sha256=checksum([*texts, *joined]))
    return [*texts, *joined], facts, others[needed:]


def by_language(lineage: Sequence[StageFacts], data: Path, held_out: int) -> dict[str, list[str]]:
    """Texts without labels that the run learned from, ``BY_LANGUAGE`` at most of each language that is found in them
    (BCP 47); English and undetermined ones are left out."""
    detector = LanguageDetector(SURE)
    groups: dict[str, list[str]] = {}
    pools = _unlabelled(lineage, data, held_out)
    for text in dict.fromkeys(text for group in pools for text in group):
        groups.setdefault(detector.detect(text).tag, []).append(text)
    return {tag: sample(texts, BY_LANGUAGE, SEED) for tag, texts in groups.items() if tag not in ("en", "und")}


def checksum(texts: Sequence[str]) -> str:
    """SHA-256 of texts in their order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _unlabelled(lineage: Sequence[StageFacts], data: Path, held_out: int) -> list[list[str]]:
    """Texts without labels, a list per file; not those of English files (``hold_out``)."""
    return [
        group
        for facts in lineage
        for source in facts.stage.unlabelled
        if not source.hold_out
        for group in read_unlabelled(source, data, held_out)
    ]


def _others(lineage: Sequence[StageFacts], data: Path, held_out: int) -> list[str]:
    """Texts without labels and the other sides of pairs, as many from each file, shuffled."""
    groups = _unlabelled(lineage, data, held_out)
    groups += [[other for _, other in read_pairs(source, data)] for facts in lineage for source in facts.stage.pairs]
    each = max(1, OTHERS // max(1, len(groups)))
    texts = list(dict.fromkeys(text for group in groups for text in sample(group, each, SEED)))
    random.Random(SEED).shuffle(texts)  # noqa: S311 - a fixed sample, not a secret
    return texts
