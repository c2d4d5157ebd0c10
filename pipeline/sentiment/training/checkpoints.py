"""Checkpoints of a stage: the Trainer's own, and beside it the averaged weights, which are written last.

A checkpoint is good when it is whole and all its weights are numbers. Only good ones are written; one that is not good
after all (a cut file, a version before this check) is passed over and removed.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils import SAFE_WEIGHTS_NAME

from pipeline.durable import remove_folder, replace, sync
from pipeline.errors import ModelError
from pipeline.sentiment.training.runs import OLD

AVERAGED: Final = "averaged.safetensors"
COUNT: Final = "count"
SECONDS: Final = "seconds"
"""Beside the averages: steps that went into them, and the stage's seconds up to here."""


def first_broken(tensors: Mapping[str, torch.Tensor]) -> str | None:
    """The name of the first tensor that holds a value that is no number."""
    return next((name for name, value in tensors.items() if not torch.isfinite(value).all()), None)


class AverageWeights(TrainerCallback):  # type: ignore[misc]
    """The equal average of the weights after each step of the last part of a run; kept beside each checkpoint."""

    def __init__(self, network: torch.nn.Module, first_share: float, began: float) -> None:
        """``began``: when the stage was started now (``time.monotonic()``), for its seconds over all starts."""
        self._network, self._first, self._began = network, first_share, began
        self.count = 0
        self.seconds = 0.0
        """Of earlier starts, up to the checkpoint that this one goes on from."""
        self.sums: dict[str, torch.Tensor] = {}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Add the weights of this step. Raises ModelError before weights that are no numbers become a checkpoint."""
        if state.global_step > self._first * state.max_steps:
            self._add()
        if not control.should_save:
            return
        broken = first_broken(self._network.state_dict()) or first_broken(self.sums)
        if broken is not None:
            raise stopped(Path(args.output_dir), f"weights are no numbers after step {state.global_step} ({broken})")

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _add(self) -> None:
        self.count += 1
        for key, value in self._network.state_dict().items():
            if key not in self.sums:
                self.sums[key] = value.detach().float().clone()
            else:
                # what was loaded is on the CPU, the network may be elsewhere
                mean = self.sums[key] = self.sums[key].to(value.device)
                mean += (value.detach().float() - mean) / self.count

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Write it beside the checkpoint, when the rest of that is on the disk."""
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        for path in folder.iterdir():
            sync(path)
        seconds = self.seconds + time.monotonic() - self._began
        tensors = {
            **self.sums,
            COUNT: torch.tensor(self.count),
            SECONDS: torch.tensor(seconds, dtype=torch.float64),
        }
        replace(folder / AVERAGED, lambda partial: save_file(tensors, str(partial)))

    def load(self, checkpoint: Path) -> None:
        """Go on from a checkpoint. Those from before seconds were kept count none."""
        self.sums = load_file(str(checkpoint / AVERAGED))
        self.count = int(self.sums.pop(COUNT))
        self.seconds = float(self.sums.pop(SECONDS, 0.0))


def what_is_wrong(checkpoint: Path) -> str | None:
    """Why one cannot go on from this checkpoint; None: it is good."""
    for name in (SAFE_WEIGHTS_NAME, AVERAGED):
        path = checkpoint / name
        if not path.is_file():
            return f"{name} is not there: it was killed while it was written"
        try:
            broken = first_broken(load_file(str(path)))
        except (SafetensorError, OSError, ValueError) as error:
            return f"{name} is damaged ({error})"
        if broken is not None:
            return f"{name}: {broken} holds values that are no numbers"
    return None


def newest_first(folder: Path) -> list[Path]:
    """All checkpoints of a stage, good or not."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)


def last_checkpoint(folder: Path, say: Callable[[str], None]) -> Path | None:
    """The newest good checkpoint; newer ones that are not good are removed, and ``say`` is told."""
    for checkpoint in newest_first(folder):
        wrong = what_is_wrong(checkpoint)
        if wrong is None:
            return checkpoint
        say(f"stage {folder.name}: {checkpoint.name} is passed over and removed: {wrong}")
        remove_folder(checkpoint)
    return None


def stopped(folder: Path, what: str) -> ModelError:
    """The error of a training that cannot go on: which stage, what happened, what is kept, what to do."""
    kept = next((path for path in newest_first(folder) if what_is_wrong(path) is None), None)
    where = f"the last good checkpoint is kept in {kept}" if kept else "no good checkpoint had been written yet"
    return ModelError(
        f"stage {folder.name}: {what}; {where}. Lower lr or raise warmup and run again: that begins the stage anew, "
        f"and moves what is there now to {folder.name}{OLD}"
    )
