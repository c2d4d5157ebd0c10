"""A run: its stages one after the other, each finished stage kept and not done again.

A stage's folder holds ``weights.safetensors`` and ``stage.json`` (what made it: configuration, checksums of the data,
steps, seconds; the checksum of the weights). Run again, a stage whose configuration and data are the same is taken as
it is if its weights are whole; one that was killed goes on from its last good checkpoint; one whose configuration or
data are others begins anew, and its folder is moved to ``<stage>.old``.
"""

import functools
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from safetensors.numpy import save_file

from pipeline.durable import remove_folder, replace, replace_text
from pipeline.errors import ModelError
from pipeline.sentiment.training.config import ENCODER, Stage, TrainConfig, prefix_of
from pipeline.sentiment.training.english import require_english
from pipeline.sentiment.training.examples import Float32, build
from pipeline.sentiment.training.network import WordEmbeddings, build_network, predict, weights_of
from pipeline.sentiment.training.runs import (
    FACTS,
    OLD,
    WEIGHTS,
    config_file,
    file_facts,
    is_finished,
    read_stage,
    write_run,
)
from pipeline.sentiment.training.sources import open_source
from pipeline.sentiment.training.texts import find
from pipeline.sentiment.training.weights import Weights, average, keep_layers, layer_count, load_weights

Say = Callable[[str], None]


def checksums(stage: Stage, data: Path) -> dict[str, str]:
    """SHA-256 of every file that a stage reads, by name."""
    patterns: list[str] = []
    for labelled in stage.labelled:
        patterns += [*labelled.files, *labelled.without]
    for pairs in stage.pairs:
        patterns += pairs.files
        patterns += [side.replace("{language}", "*") for side in (pairs.english, pairs.other) if side]
    for unlabelled in stage.unlabelled:
        patterns += [*unlabelled.files, *unlabelled.without]
    return {
        str(path.relative_to(data) if path.is_relative_to(data) else path): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in find(data, dict.fromkeys(patterns))
    }


def stage_identity(stage: Stage, files: dict[str, str], before: Sequence[str], held_out: int, encoder: str) -> str:
    """What makes a stage the same one when it is run again: fields, checksums of its data, the identities of the stages
    ``before`` it, the run's held-out part, the encoder. Another one throws finished work away: never change how it is
    made for configurations that there are."""
    fields = msgspec.to_builtins(stage)
    if stage.prefix is None:  # younger than the other fields: stages from before it stay what they are
        del fields["prefix"]
    return hashlib.sha256(msgspec.json.encode([fields, files, before, held_out, encoder])).hexdigest()[:16]


class Learned(NamedTuple):
    """What a stage ends with; nothing was read and no step made where it only averages."""

    weights: Weights
    examples: int
    tokens: int
    history: list[dict[str, Any]]
    seconds_before: float = 0.0


class Run:
    """One run in ``folder``; ``file`` is where its configuration was read, for the record. Needs the extra `train`."""

    def __init__(
        self, config: TrainConfig, data: Path, folder: Path, cache_dir: Path, say: Say, file: Path | None = None
    ) -> None:
        self._file = config_file(file) if file else None
        self._config, self._data, self._folder, self._say = config, data, folder, say
        self._source = open_source(config.encoder, cache_dir, config.prefix)
        # a tokenizer takes a second to build, and stages ask for the same ones
        self._tokenizer = functools.cache(
            lambda prefix, limit: open_source(config.encoder, cache_dir, prefix).tokenizer(limit)
        )
        self._table = WordEmbeddings(self._source.table(), self._source.cutting.pad)

    def weights(self, names: Sequence[str]) -> Weights:
        """The mean of the weights of stages (or the encoder's own)."""
        several = [
            self._source.start_weights() if name == ENCODER else load_weights(self._folder / name / WEIGHTS)
            for name in names
        ]
        return several[0] if len(several) == 1 else average(several)

    def _ids(self, texts: Sequence[str], limit: int, prefix: str | None) -> list[list[int]]:
        """Token ids of texts, each with ``prefix`` before it."""
        return [one.ids for one in self._tokenizer(prefix, limit).encode(texts)]

    def teacher(self, stage: Stage) -> Callable[[Sequence[str]], tuple[Float32, Float32]]:
        """Texts in; mean posterior (as logs) and mean vectors of the stage's teachers out."""
        networks = [
            (prefix_of(self._config, name), build_network(self.weights([name]), self._source)) for name in stage.teacher
        ]
        prefixes = {prefix for prefix, _ in networks}

        def read(texts: Sequence[str]) -> tuple[Float32, Float32]:
            # cut once for all teachers that read with the same prefix
            ids = {prefix: self._ids(texts, stage.max_tokens, prefix) for prefix in prefixes}
            found = [predict(network, self._table, ids[prefix]) for prefix, network in networks]
            posterior = np.mean([np.exp(logs) for logs, _ in found], axis=0)
            return np.log(np.maximum(posterior, 1e-9)), np.mean([vectors for _, vectors in found], axis=0)

        return read

    def stage(self, stage: Stage) -> Path:
        """Do one stage, or find it done. Returns its folder. Raises ModelError."""
        began = time.monotonic()
        folder = self._folder / stage.name
        before = [read_stage(self._folder / n).id for n in (*stage.start, *stage.teacher) if n != ENCODER]
        files = checksums(stage, self._data)
        identity = stage_identity(stage, files, before, self._config.held_out, self._source.identity)
        if is_finished(folder, identity, self._say):
            self._say(f"stage {stage.name}: done before, taken as it is")
            return folder
        self._prepare(folder, identity)
        weights = keep_layers(self.weights(stage.start), stage.layers)
        learned = Learned(weights, 0, 0, [])
        if stage.labelled or stage.pairs or stage.unlabelled:
            learned = self._learn(stage, weights, folder, began)
        broken = next((key for key, value in learned.weights.items() if not np.isfinite(value).all()), None)
        if broken is not None:
            raise ModelError(f"stage {stage.name}: the final weights are no numbers ({broken}): lower lr, run again")
        replace(folder / WEIGHTS, lambda partial: save_file(learned.weights, str(partial)))
        facts = {
            "id": identity,
            "stage": msgspec.to_builtins(stage),
            "data": files,
            "examples": learned.examples,
            "tokens": learned.tokens,
            "seconds": round(learned.seconds_before + time.monotonic() - began),
            "weights": msgspec.to_builtins(file_facts(folder / WEIGHTS)),
            "history": learned.history,
        }
        replace_text(folder / FACTS, json.dumps(facts, indent=1))
        for checkpoint in folder.glob("checkpoint-*"):
            remove_folder(checkpoint)
        return folder

    def _prepare(self, folder: Path, identity: str) -> None:
        """A folder with this identity, and no record of a finished stage, in which checkpoints may lie."""
        begun = folder / "id"
        known = begun.read_bytes() if begun.is_file() else b""
        if folder.is_dir() and known != identity.encode() and any(one.name[0] != "." for one in folder.iterdir()):
            old = folder.with_name(f"{folder.name}{OLD}")
            self._say(
                f"stage {folder.name}: begins anew, its fields, data or an earlier stage are others than before; what "
                f"was there is moved to {old}"
            )
            if old.exists():
                remove_folder(old)
            folder.rename(old)
        folder.mkdir(parents=True, exist_ok=True)
        replace_text(begun, identity)
        (folder / FACTS).unlink(missing_ok=True)

    def _learn(self, stage: Stage, weights: Weights, folder: Path, began: float) -> Learned:
        import torch

        from pipeline.sentiment.training.loop import Place, train_stage

        teacher = self.teacher(stage) if stage.teacher else None
        examples = build(stage, self._data, self._config.held_out, teacher, stage.hidden_loss > 0)
        ids = self._ids(examples.texts, stage.max_tokens, prefix_of(self._config, stage.name))
        self._say(
            f"stage {stage.name}: {len(ids):,} examples, {sum(map(len, ids)):,} tokens, {layer_count(weights)} layers, "
            f"target mix {' / '.join(f'{share:.2f}' for share in examples.targets.mean(0))}"
        )
        torch.manual_seed(stage.seed)
        network = build_network(weights, self._source, stage.dropout)
        place = Place(folder, self._config.stages.index(stage) + 1, len(self._config.stages), began, self._say)
        trained = train_stage(network, weights, stage, examples, ids, self._table, place)
        network.load_state_dict(trained.state, strict=False)
        return Learned(weights_of(network), len(ids), sum(map(len, ids)), trained.history, trained.seconds_before)

    def all(self, finished: Callable[[list[str]], object] = lambda _: None) -> Path:
        """Every stage in order; ``finished`` is told, after each, which there are. Returns the last one's folder.

        Raises ModelError, for labels that are not English before the first stage.
        """
        last = self._folder
        for stage in self._config.stages:
            for labelled in stage.labelled:
                require_english(labelled, self._data)
        self._record()
        done: list[str] = []
        for stage in self._config.stages:
            last = self.stage(stage)
            self._record()
            done.append(stage.name)
            finished(done)
        return last

    def _record(self) -> None:
        write_run(self._folder, self._config, self._data, self._source.identity, self._file)
