"""One stage's training, on transformers' Trainer: what is ours is the loss, the batches and the averaged weights.

Resumable: the Trainer writes checkpoints (weights, optimiser, schedule, random states); a run that was killed goes on
from the last good one (:mod:`pipeline.sentiment.training.checkpoints`) and ends with the same weights. Deterministic:
everything random comes from the stage's seed.
"""

import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader, Dataset, Sampler
from transformers import PrinterCallback, Trainer, TrainerState, TrainingArguments
from transformers.trainer import TRAINER_STATE_NAME
from transformers.utils import SAFE_WEIGHTS_NAME

from pipeline.durable import remove_folder, replace_text
from pipeline.sentiment.training.checkpoints import AverageWeights, last_checkpoint, stopped
from pipeline.sentiment.training.config import Stage
from pipeline.sentiment.training.examples import Examples
from pipeline.sentiment.training.network import WordEmbeddings, device, has_bf16
from pipeline.sentiment.training.progress import TrainingProgress
from pipeline.sentiment.training.weights import layer_count, layer_of

CHECKPOINT_STEPS: Final = 250
"""Two to three minutes on two cores: at most so much work is lost when a run is killed."""
WINDOW_BATCHES: Final = 40
"""Batches are cut from so many batches' texts sorted by length: little padding, and still a new order each epoch."""


class ExampleSet(Dataset):  # type: ignore[misc]
    """Index -> (token ids, target, log mix, weight, vector)."""

    def __init__(self, examples: Examples, ids: list[list[int]]) -> None:
        self.examples, self.ids = examples, ids

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        vectors = self.examples.vectors
        return {
            "ids": self.ids[index],
            "target": self.examples.targets[index],
            "log_mix": self.examples.log_mix[index],
            "weight": self.examples.weights[index],
            "vector": vectors[index] if len(vectors) else np.zeros(0, np.float32),
        }


class ByLength(Sampler):  # type: ignore[misc]
    """Batches of texts of like length, in another order each epoch, the same for the same seed."""

    def __init__(self, lengths: list[int], batch: int, seed: int) -> None:
        self._lengths, self._batch, self._seed, self._epoch = lengths, batch, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer's data loader before each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return math.ceil(len(self._lengths) / self._batch)

    def __iter__(self) -> Iterator[list[int]]:
        dice = random.Random(f"{self._seed}:{self._epoch}")  # noqa: S311 - reproducible, not secret
        order = list(range(len(self._lengths)))
        dice.shuffle(order)
        batches = []
        window = self._batch * WINDOW_BATCHES
        for start in range(0, len(order), window):
            part = sorted(order[start : start + window], key=self._lengths.__getitem__)
            batches += [part[at : at + self._batch] for at in range(0, len(part), self._batch)]
        dice.shuffle(batches)
        yield from batches


@dataclass
class Collator:
    """Examples -> tensors; the word embeddings are looked up here, outside the network."""

    table: WordEmbeddings

    def __call__(self, items: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """One batch, padded to its longest text."""
        embeds, mask = self.table.batch([item["ids"] for item in items])
        return {
            "inputs_embeds": torch.from_numpy(embeds),
            "attention_mask": torch.from_numpy(mask),
            "labels": torch.from_numpy(np.stack([item["target"] for item in items])),
            "log_mix": torch.from_numpy(np.stack([item["log_mix"] for item in items])),
            "weight": torch.from_numpy(np.stack([item["weight"] for item in items])),
            "vector": torch.from_numpy(np.stack([item["vector"] for item in items])),
        }


class StageTrainer(Trainer):  # type: ignore[misc]
    """Trainer with the loss of :mod:`pipeline.sentiment.training.examples`."""

    def __init__(self, stage: Stage, lengths: list[int], **rest: Any) -> None:  # noqa: ANN401
        super().__init__(**rest)
        self._stage, self._lengths = stage, lengths

    def get_train_dataloader(self) -> DataLoader:
        """Batches by length."""
        batches = ByLength(self._lengths, self._stage.batch, self._stage.seed)
        loader = DataLoader(self.train_dataset, batch_sampler=batches, collate_fn=self.data_collator)
        return self.accelerator.prepare(loader)

    def compute_loss(
        self, model: torch.nn.Module, inputs: dict[str, torch.Tensor], return_outputs: bool = False, **_rest: object
    ) -> Any:  # noqa: ANN401
        """Cross-entropy with softmax(logits + log mix). Raises ModelError when it is no number."""
        logits, pooled = model(inputs_embeds=inputs["inputs_embeds"], attention_mask=inputs["attention_mask"])
        logs = torch.log_softmax(logits.float() + inputs["log_mix"], -1)
        loss = -(inputs["labels"] * logs).sum(-1) * inputs["weight"]
        if self._stage.hidden_loss:
            loss = loss + self._stage.hidden_loss * (pooled - inputs["vector"]).square().mean(-1)
        mean = loss.mean()
        if not torch.isfinite(mean):
            folder, step = Path(self.args.output_dir), self.state.global_step
            what = f"the loss is no number at step {step + 1} (lr {self._stage.lr:g})"
            culprit = folder / f"checkpoint-{step}"  # its weights gave this loss: finite, but no good
            if culprit.is_dir():
                remove_folder(culprit)
                what += f", and {culprit.name}, whose weights gave it, is removed"
            raise stopped(folder, what)
        return (mean, logits) if return_outputs else mean


def parameter_groups(network: torch.nn.Module, stage: Stage, layers: int) -> list[dict[str, Any]]:
    """Learning rates by depth: the head its own, each layer ``layer_decay`` times that of the layer above it."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:  # word embeddings
            continue
        if name.startswith("head."):
            rate = stage.head_lr
        else:
            layer = layer_of(name)
            rate = stage.lr * stage.layer_decay ** (layers - (0 if layer is None else layer + 1))
        decay = 0.0 if parameter.ndim < 2 else stage.weight_decay
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": members, "lr": rate, "weight_decay": decay} for (rate, decay), members in groups.items()]


class Trained(NamedTuple):
    """What a training ends with. ``history`` has a dict per log line: loss, learning_rate, epoch, step."""

    state: dict[str, torch.Tensor]
    history: list[dict[str, Any]]
    seconds_before: float
    """Of earlier starts, up to the checkpoint that this one went on from."""


@dataclass(frozen=True)
class Place:
    """Where a stage stands and lives. ``began`` is when it was started now (``time.monotonic()``)."""

    folder: Path
    number: int
    stages: int
    began: float
    say: Callable[[str], None]


def train_stage(
    network: torch.nn.Module,
    weights: dict[str, Any],
    stage: Stage,
    examples: Examples,
    ids: list[list[int]],
    table: WordEmbeddings,
    place: Place,
) -> Trained:
    """Train, from the last good checkpoint if there is one; the state is the averaged one.

    Raises ModelError when the loss or the weights are no numbers.
    """
    folder = place.folder
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=stage.epochs,
        per_device_train_batch_size=stage.batch,
        learning_rate=stage.lr,
        lr_scheduler_type="linear",
        warmup_steps=max(1, int(stage.warmup * stage.epochs * math.ceil(len(ids) / stage.batch))),
        bf16=has_bf16(),
        max_grad_norm=1.0,
        logging_steps=20,
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=CHECKPOINT_STEPS,
        save_total_limit=2,
        report_to=[],
        seed=stage.seed,
        data_seed=stage.seed,
        use_cpu=device() == "cpu",
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=False,
        disable_tqdm=True,
    )
    optimizer = torch.optim.AdamW(parameter_groups(network, stage, layer_count(weights)), foreach=True)
    averaged = AverageWeights(network, stage.average_from, place.began)
    title = f"{stage.name} (stage {place.number} of {place.stages})"
    trainer = StageTrainer(
        stage,
        [len(one) for one in ids],
        model=network,
        args=arguments,
        train_dataset=ExampleSet(examples, ids),
        data_collator=Collator(table),
        optimizers=(optimizer, None),
        callbacks=[averaged, TrainingProgress(title, stage.batch)],
    )
    trainer.remove_callback(PrinterCallback)
    resume = last_checkpoint(folder, place.say)
    if resume:
        averaged.load(resume)
        place.say(f"stage {stage.name}: goes on from {resume.name}")
        reached = TrainerState.load_from_json(str(resume / TRAINER_STATE_NAME))
        if reached.global_step >= reached.max_steps:  # killed after its last step: the Trainer would make one more
            state = averaged.sums or load_file(str(resume / SAFE_WEIGHTS_NAME))
            return Trained(state, [dict(line) for line in reached.log_history], averaged.seconds)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    history = [dict(line) for line in trainer.state.log_history]
    replace_text(folder / "log.json", json.dumps(history, indent=1))
    return Trained(averaged.sums or dict(network.state_dict()), history, averaged.seconds)
