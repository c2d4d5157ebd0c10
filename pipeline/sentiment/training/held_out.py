"""The English texts of a run that it never learned from, and what they may be used for.

One text in so many is held out by its hash (``held_out`` of the configuration). They are cut in two, by the hash
again: a sixth finds the temperature, the rest is judged: fidelity, calibration error, the guarantee of abstention. So
no number on the card is of texts that anything was fitted on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pipeline.errors import ModelError
from pipeline.sentiment.training.config import Labelled
from pipeline.sentiment.training.runs import StageFacts
from pipeline.sentiment.training.texts import (
    LabelledText,
    find,
    is_held_out,
    read_labelled,
    read_unlabelled,
    text_key,
)
from schemas.events import LABELS

FIT_ONE_IN: Final = 6
"""For one number, a thousand of six thousand are enough."""
MIN_TEXTS: Final = 20
"""Of each label, in either part: fewer say nothing about a temperature, let alone about a guarantee."""


@dataclass(frozen=True)
class HeldOut:
    """Labelled texts in a stable order. ``kinds`` names where each comes from: the folder or file of the data."""

    texts: list[str]
    gold: npt.NDArray[np.int64]
    kinds: list[str]
    files: list[str]
    """Of the data, relative to its folder."""

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, keep: Sequence[bool] | npt.NDArray[np.bool_]) -> "HeldOut":
        """Some of them."""
        chosen = np.flatnonzero(np.asarray(keep))
        return HeldOut([self.texts[i] for i in chosen], self.gold[chosen], [self.kinds[i] for i in chosen], self.files)

    def counts(self) -> tuple[int, int, int]:
        """Texts of each label."""
        negative, neutral, positive = np.bincount(self.gold, minlength=len(LABELS)).tolist()
        return negative, neutral, positive


def kind_of(source: Labelled) -> str:
    """``english_tweets/*.tsv`` -> ``english_tweets``; ``reviews.tsv`` -> ``reviews``."""
    first = Path(source.files[0])
    return first.parts[0] if len(first.parts) > 1 else first.stem


def read_held_out(lineage: Sequence[StageFacts], data: Path, one_in: int) -> HeldOut:
    """All held-out texts of what the stages learned from.

    A text that some stage learned from without its label is not among them. Raises ModelError when there are none, or
    too few of a label.
    """
    if one_in == 0:
        raise ModelError(
            "the run held no English text out (held_out = 0): without one, no temperature can be found and no error "
            "measured; train again with held_out = 8"
        )
    sources = {
        msgspec.json.encode(plain): plain
        for facts in lineage
        for plain in (msgspec.structs.replace(one, take=None, weight=1.0) for one in facts.stage.labelled)
    }
    if not sources:
        raise ModelError("no stage of the run learned from labelled English: there is nothing held out of it")
    unlabelled = [source for facts in lineage for source in facts.stage.unlabelled]
    learned = {text for source in unlabelled for group in read_unlabelled(source, data, one_in) for text in group}
    found: dict[str, tuple[LabelledText, str]] = {}
    files: dict[str, None] = {}
    for source in sources.values():
        for path in find(data, [*source.files, *source.without]):
            files[str(path.relative_to(data) if path.is_relative_to(data) else path)] = None
        for one in read_labelled(source, data):
            if is_held_out(one.text, one_in) and one.text not in learned:
                found.setdefault(one.text, (one, kind_of(source)))
    held = HeldOut(
        texts=list(found),
        gold=np.array([one.label for one, _ in found.values()], np.int64),
        kinds=[kind for _, kind in found.values()],
        files=sorted(files),
    )
    for part, use in (
        (for_fitting(held, one_in), "find the temperature"),
        (for_judging(held, one_in), "be measured on"),
    ):
        fewest = min(part.counts())
        if fewest < MIN_TEXTS:
            raise ModelError(
                f"of the run's held-out English texts ({len(held)}, one in {one_in}), {len(part)} are there to {use}, "
                f"and only {fewest} of one label: at least {MIN_TEXTS} of each are needed; hold out more, or train "
                "with more labelled English"
            )
    return held


def for_fitting(held: HeldOut, one_in: int) -> HeldOut:
    """The part that the temperature is found on."""
    return held.part([_fits(text, one_in) for text in held.texts])


def for_judging(held: HeldOut, one_in: int) -> HeldOut:
    """The part that everything is measured on."""
    return held.part([not _fits(text, one_in) for text in held.texts])


def _fits(text: str, one_in: int) -> bool:
    return text_key(text) // one_in % FIT_ONE_IN == 0


def equal_classes(held: HeldOut, seed: int = 1) -> npt.NDArray[np.bool_]:
    """Which texts make a set with as many of each label: all of the rarest, as many drawn of the others."""
    fewest = min(held.counts())
    dice = np.random.default_rng(seed)
    keep = np.zeros(len(held), bool)
    for label in range(len(LABELS)):
        keep[dice.permutation(np.flatnonzero(held.gold == label))[:fewest]] = True
    return keep
