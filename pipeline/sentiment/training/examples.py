"""What a stage learns from, as one kind of example: token ids, a target distribution, the log class mix of its set.

Labels and teachers' posteriors become the same thing, so that one loss fits all: cross-entropy between the target and
softmax(logits + log mix). With the log mix of the set, logits learn the balanced posterior (Menon et al. 2021); a
teacher's posterior is balanced already, so its log mix is zero.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from pipeline.sentiment.parallel_bias import match
from pipeline.sentiment.training.config import Stage
from pipeline.sentiment.training.english import require_english
from pipeline.sentiment.training.texts import (
    LabelledText,
    is_held_out,
    read_labelled,
    read_pairs,
    read_unlabelled,
    sample,
)
from schemas.events import LABELS

Float32 = npt.NDArray[np.float32]
Teacher = Callable[[Sequence[str]], tuple[Float32, Float32]]
"""Texts in; log-probabilities [n, 3] and pooled vectors [n, width] out."""


class Examples(Struct):
    """``n`` examples. ``vectors`` are empty but for distillation."""

    texts: list[str]
    targets: Float32  # [n, 3]
    log_mix: Float32  # [n, 3]
    weights: Float32  # [n]
    vectors: Float32  # [n, width] or [0, 0]


def of_labelled(texts: Sequence[LabelledText], smoothing: float, weight: float) -> Examples:
    """Targets are labels, smoothed; the log mix is that of these texts."""
    classes = len(LABELS)
    labels = np.array([one.label for one in texts], np.int64)
    targets = np.full((len(texts), classes), smoothing / classes, np.float32)
    targets[np.arange(len(texts)), labels] += 1.0 - smoothing
    mix = np.bincount(labels, minlength=classes) / max(1, len(texts))
    log_mix = np.broadcast_to(np.log(np.maximum(mix, 1e-9)), targets.shape)
    return Examples(
        texts=[one.text for one in texts],
        targets=targets,
        log_mix=np.asarray(log_mix, np.float32),
        weights=np.full(len(texts), weight, np.float32),
        vectors=np.zeros((0, 0), np.float32),
    )


def of_teacher(texts: Sequence[str], logs: Float32, weight: float, harden: float, vectors: Float32) -> Examples:
    """Targets are the teacher's posterior, its temperature divided by ``harden``."""
    scaled = logs * harden
    targets = np.exp(scaled - scaled.max(1, keepdims=True))
    targets /= targets.sum(1, keepdims=True)
    return Examples(
        texts=list(texts),
        targets=np.asarray(targets, np.float32),
        log_mix=np.zeros((len(texts), len(LABELS)), np.float32),
        weights=np.full(len(texts), weight, np.float32),
        vectors=vectors,
    )


def surest_of_each_class(logs: Float32, share: float) -> npt.NDArray[np.int64]:
    """Indices of the texts that the teacher is surest of, in equal numbers per class that it gives.

    A class that it gives seldom bounds the others only down to a third of their even share: the rarest class of a
    lopsided pool must not throw the pool away.
    """
    given = logs.argmax(1)
    even = max(1, int(share * len(logs) / logs.shape[1]))
    counts = np.bincount(given, minlength=logs.shape[1])
    each = max(int(counts.min()), even // 3)
    chosen: list[int] = []
    for label in range(logs.shape[1]):
        members = np.flatnonzero(given == label)
        surest = members[np.argsort(-logs[members, label], kind="stable")]
        chosen += surest[: min(each, even)].tolist()
    return np.array(sorted(chosen), np.int64)


def balanced(logs: Float32, share: float) -> Float32:
    """Log posteriors [n, 3] with this share of the bias that makes their mean uniform."""
    if not share or not len(logs):
        return logs
    shifted = logs + share * match(np.asarray(logs, np.float64), np.full(logs.shape[1], 1 / logs.shape[1]))
    top = shifted.max(1, keepdims=True)
    return np.asarray(shifted - top - np.log(np.exp(shifted - top).sum(1, keepdims=True)), np.float32)


def build(stage: Stage, data: Path, held_out: int, teacher: Teacher | None, with_vectors: bool) -> Examples:
    """All examples of a stage, in a stable order. Raises ModelError for what cannot be read, and for labelled
    files that are not English."""
    parts: list[Examples] = []
    nothing = np.zeros((0, 0), np.float32)

    def vectors(of: Float32) -> Float32:
        return of if with_vectors else nothing

    for labelled in stage.labelled:
        require_english(labelled, data)
        texts = [one for one in read_labelled(labelled, data) if not is_held_out(one.text, held_out)]
        parts.append(of_labelled(sample(texts, labelled.take, stage.seed), stage.label_smoothing, labelled.weight))
        if with_vectors and teacher:
            parts[-1].vectors = teacher(parts[-1].texts)[1]
    for pairs in stage.pairs:
        assert teacher is not None  # noqa: S101 - read_config saw to it
        chosen = sample(read_pairs(pairs, data), pairs.take, stage.seed)
        logs, pooled = teacher([english for english, _ in chosen])
        parts.append(of_teacher([other for _, other in chosen], logs, pairs.weight, 1.0, vectors(pooled)))
        if pairs.both_sides:
            some = np.array(sample(list(range(len(chosen))), int(pairs.both_sides * len(chosen)), stage.seed), np.int64)
            sides = [chosen[index][0] for index in some]
            parts.append(of_teacher(sides, logs[some], pairs.weight, 1.0, vectors(pooled[some])))
    for unlabelled in stage.unlabelled:
        assert teacher is not None  # noqa: S101
        for group in read_unlabelled(unlabelled, data, held_out):
            taken = sample(group, unlabelled.take, stage.seed)
            logs, pooled = teacher(taken)
            logs = balanced(logs, unlabelled.balance)
            keep = np.arange(len(taken)) if unlabelled.select is None else surest_of_each_class(logs, unlabelled.select)
            kept = [taken[index] for index in keep]
            parts.append(of_teacher(kept, logs[keep], unlabelled.weight, unlabelled.harden, vectors(pooled[keep])))
    return Examples(
        texts=[text for part in parts for text in part.texts],
        targets=np.concatenate([part.targets for part in parts]),
        log_mix=np.concatenate([part.log_mix for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        vectors=np.concatenate([part.vectors for part in parts]) if with_vectors else nothing,
    )
