"""A run: its stages one after the other, each finished stage kept and not done again.

A stage's folder holds ``weights.safetensors`` and ``stage.json`` (what made it: configuration, checksums of the data,
steps, seconds). Run again, a stage whose configuration and data are the same is taken as it is; one that was killed
goes on from its last checkpoint.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from safetensors.numpy import save_file

from pipeline.errors import ModelError
from pipeline.sentiment.training.config import ENCODER, Stage, TrainConfig, prefix_of
from pipeline.sentiment.training.examples import Float32, build
from pipeline.sentiment.training.network import WordEmbeddings, build_network, predict, weights_of
from pipeline.sentiment.training.runs import FACTS, WEIGHTS, write_run
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


class Learned(NamedTuple):
    """What a stage ends with; nothing was read and no step made where it only averages."""

    weights: Weights
    examples: int
    tokens: int
    history: list[dict[str, Any]]


class Run:
    """One run in ``folder``. Needs the extra ``train``."""

    def __init__(self, config: TrainConfig, data: Path, folder: Path, cache_dir: Path, say: Say) -> None:
        self._config, self._data, self._folder, self._say = config, data, folder, say
        self._cache_dir = cache_dir
        self._source = open_source(config.encoder, cache_dir, config.prefix)
        self._table = WordEmbeddings(self._source.table(), self._source.cutting.pad)

    def weights(self, names: Sequence[str]) -> Weights:
        """The mean of the weights of stages (or the encoder's own)."""
        several = [
            self._source.start_weights() if name == ENCODER else load_weights(self._folder / name / WEIGHTS)
            for name in names
        ]
        return several[0] if len(several) == 1 else average(several)

    def _ids(self, texts: Sequence[str], limit: int, reader: str) -> list[list[int]]:
        """Token ids as stage ``reader`` reads texts: with its prefix."""
        source = open_source(self._config.encoder, self._cache_dir, prefix_of(self._config, reader))
        return [one.ids for one in source.tokenizer(limit).encode(texts)]

    def teacher(self, stage: Stage) -> Callable[[Sequence[str]], tuple[Float32, Float32]]:
        """Texts in; mean posterior (as logs) and mean vectors of the stage's teachers out."""
        networks = [(name, build_network(self.weights([name]), self._source)) for name in stage.teacher]

        def read(texts: Sequence[str]) -> tuple[Float32, Float32]:
            found = [
                predict(network, self._table, self._ids(texts, stage.max_tokens, name)) for name, network in networks
            ]
            posterior = np.mean([np.exp(logs) for logs, _ in found], axis=0)
            return np.log(np.maximum(posterior, 1e-9)), np.mean([vectors for _, vectors in found], axis=0)

        return read

    def stage(self, stage: Stage) -> Path:
        """Do one stage, or find it done. Returns its folder."""
        folder = self._folder / stage.name
        before = [
            json.loads((self._folder / n / FACTS).read_text())["id"]
            for n in (*stage.start, *stage.teacher)
            if n != ENCODER
        ]
        files = checksums(stage, self._data)
        fields = msgspec.to_builtins(stage)
        if stage.prefix is None:  # younger than the other fields: stages from before it stay what they are
            del fields["prefix"]
        identity = hashlib.sha256(
            msgspec.json.encode([fields, files, before, self._config.held_out, self._source.identity])
        ).hexdigest()[:16]
        facts_path = folder / FACTS
        if facts_path.is_file() and json.loads(facts_path.read_text())["id"] == identity:
            self._say(f"stage {stage.name}: done before, taken as it is")
            return folder
        begun = folder / "id"
        if folder.exists() and (not begun.is_file() or begun.read_text() != identity):
            shutil.rmtree(folder)  # another configuration or other data: its checkpoints mean nothing now
        folder.mkdir(parents=True, exist_ok=True)
        begun.write_text(identity)
        began = time.monotonic()
        weights = keep_layers(self.weights(stage.start), stage.layers)
        learned = Learned(weights, 0, 0, [])
        if stage.labelled or stage.pairs or stage.unlabelled:
            learned = self._learn(stage, weights, folder)
        done = learned.weights
        if not all(np.isfinite(value).all() for value in done.values()):
            raise ModelError(f"stage {stage.name}: weights are no numbers; lower lr")
        save_file(done, str(folder / WEIGHTS))
        facts = {
            "id": identity,
            "stage": msgspec.to_builtins(stage),
            "data": files,
            "examples": learned.examples,
            "tokens": learned.tokens,
            "seconds": round(time.monotonic() - began),
            "history": learned.history,
        }
        facts_path.write_text(json.dumps(facts, indent=1))
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
        return folder

    def _learn(self, stage: Stage, weights: Weights, folder: Path) -> Learned:
        import torch

        from pipeline.sentiment.training.loop import train_stage

        teacher = self.teacher(stage) if stage.teacher else None
        examples = build(stage, self._data, self._config.held_out, teacher, stage.hidden_loss > 0)
        ids = self._ids(examples.texts, stage.max_tokens, stage.name)
        self._say(
            f"stage {stage.name}: {len(ids):,} examples, {sum(map(len, ids)):,} tokens, {layer_count(weights)} layers, "
            f"target mix {' / '.join(f'{share:.2f}' for share in examples.targets.mean(0))}"
        )
        torch.manual_seed(stage.seed)
        network = build_network(weights, self._source, stage.dropout)
        state, history = train_stage(network, weights, stage, examples, ids, self._table, folder)
        network.load_state_dict(state, strict=False)
        return Learned(weights_of(network), len(ids), sum(map(len, ids)), history)

    def all(self) -> Path:
        """Every stage in order. Returns the last one's folder."""
        last = self._folder
        write_run(self._folder, self._config, self._data, self._source.identity)
        for stage in self._config.stages:
            last = self.stage(stage)
            write_run(self._folder, self._config, self._data, self._source.identity)
        return last
