"""Progress on standard error, and only where somebody watches: never in a pipe, a log or the output itself."""

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn


@contextlib.contextmanager
def unpacking() -> Iterator[Callable[[int, int], None]]:
    """A bar for :func:`pipeline.sentiment.model.load_model`, shown only when something is unpacked.

    Without a terminal one line says that it happens.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    with contextlib.ExitStack() as stack:
        bar: Progress | None = None

        def update(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                bar = Progress(*columns, console=console, transient=True)
                if console.is_terminal:
                    stack.enter_context(bar)
                else:
                    console.print(f"unpacking embeddings once ({total >> 20} MB)", soft_wrap=True)
                bar.add_task("unpacking embeddings (once)", total=total)
            bar.update(bar.task_ids[0], completed=done)

        yield update


@contextlib.contextmanager
def counting(what: str, total_bytes: int | None) -> Iterator[Callable[[int, int], None]]:
    """A line with (things done, bytes read), redrawn ten times a second; nothing without a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _done, _read: None
        return
    columns = [SpinnerColumn(), TextColumn(f"{{task.fields[done]:,}} {what}  {{task.fields[rate]:,.0f}}/s")]
    if total_bytes:
        columns += [BarColumn(), TimeRemainingColumn()]
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total_bytes, done=0, rate=0.0)

        def update(done: int, read: int) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            bar.update(task, completed=read, done=done, rate=done / elapsed if elapsed else 0.0)

        yield update
