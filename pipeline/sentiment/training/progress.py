"""What is seen of a training while it runs: loss, texts a second, time left; as a bar, or as lines in a log."""

import sys
import time
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

LINE_SECONDS: Final = 30.0
"""Between two lines in a log file."""


class TrainingProgress(TrainerCallback):  # type: ignore[misc]
    """Shows a stage's training on standard error: step, loss, texts a second, time that is left of the stage."""

    def __init__(self, stage: str, batch: int) -> None:
        """``stage`` is its name, and which one of how many it is; ``batch`` is texts a step."""
        self._stage, self._batch, self._loss = stage, batch, "…"
        self._began = self._said = time.monotonic()
        self._first = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]}  {task.fields[rate]:.0f} texts/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(stage, total=None, loss="…", rate=0.0)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object
    ) -> None:
        """Start the bar, at the step that the run goes on from."""
        self._began, self._first = time.monotonic(), state.global_step
        self._bar.update(self._task, total=state.max_steps, completed=state.global_step)
        self._bar.start()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Remember the loss, the mean of the steps since the last log."""
        if logs and "loss" in logs:
            self._loss = f"{float(logs['loss']):.3f}"

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Move the bar, or say a line now and then."""
        now = time.monotonic()
        steps = state.global_step - self._first
        rate = steps * self._batch / max(1e-9, now - self._began)
        self._bar.update(self._task, completed=state.global_step, loss=self._loss, rate=rate)
        if self._bar.disable and (now - self._said > LINE_SECONDS or state.global_step == state.max_steps):
            self._said = now
            left = (state.max_steps - state.global_step) * (now - self._began) / max(1, steps)
            print(
                f"{self._stage}: step {state.global_step} of {state.max_steps}, loss {self._loss}, {rate:.0f} texts/s, "
                f"{left / 60:.1f} minutes left of this stage",
                file=sys.stderr,
                flush=True,
            )

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Leave the bar as it is."""
        self._bar.stop()
