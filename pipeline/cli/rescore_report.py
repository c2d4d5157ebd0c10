"""What ``babelwatch rescore`` says: its plan, the line of progress, and what became of the mentions."""

import sys
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from pipeline.rescore import Progress
    from pipeline.store.rescore_rows import Survey, Target

LINE_EVERY_S: Final = 10.0
INTERRUPTED: Final = 130
SOME_REMAIN: Final = 12


def say_plan(survey: "Survey", target: "Target", rate: float, rule_only: bool) -> None:
    """What there is, and what a run would do at ``rate``."""
    click.echo(f"by {target.model}, rule {target.rule}")
    click.echo(
        f"{survey.total:,} mentions: {survey.current:,} judged so already, {survey.by_rule:,} by another rule of this "
        f"model, {survey.by_model:,} by other models, {survey.fixed:,} corrected by people"
    )
    todo = survey.remaining
    if rule_only and survey.by_model:
        click.echo(f"of other models only those whose text {target.model} has read before (--rule-only)")
    most = "at most " if rule_only and survey.by_model else ""
    click.echo(
        f"to judge: {most}{todo:,}" + (f", about {_duration(todo / rate)} at {rate:g}/s" if rate and todo else "")
    )


def say_result(progress: "Progress", after: "Survey", rule_only: bool, *, stopped: bool) -> int:
    """What was done and what is left; returns the exit code."""
    if progress.healed:
        click.echo(f"{progress.healed} pages that an earlier run had not finished were counted again")
    by_rule = progress.judged - progress.inferred
    click.echo(
        f"{progress.written:,} mentions have a new judgement after {_duration(progress.seconds)}: {progress.inferred:,}"
        f" texts read, {by_rule:,} from stored log-probabilities; {progress.changed:,} labels changed"
    )
    if progress.judged > progress.written:
        click.echo(f"{progress.judged - progress.written:,} were edited or deleted meanwhile: that stays")
    if rule_only and after.by_model:
        click.echo(f"{after.by_model:,} were never read by this model and stay as they are (--rule-only)")
    left = after.by_rule if rule_only else after.remaining
    if left:
        why = "interrupted" if stopped else "they came meanwhile, from workers that serve another model?"
        click.echo(f"{left:,} remain ({why}): run it again", err=True)
        return INTERRUPTED if stopped else SOME_REMAIN
    click.echo("none remain")
    return 0


def _duration(seconds: float) -> str:
    whole = int(seconds + 0.5)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"


class Line:
    """The line of progress on standard error: rewritten in place on a terminal, one in a while elsewhere."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown_s = 0.0
        self._open = False

    def show(self, progress: "Progress") -> None:
        """Show where the run stands."""
        if not progress.total:
            return
        pace = progress.judged / progress.seconds if progress.seconds else 0.0
        left = progress.left_s
        text = f"{progress.judged:,} of {progress.total:,} judged, {pace:,.0f}/s" + (
            "" if left is None else f", {_duration(left)} left"
        )
        if self._terminal:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
            self._open = True
        elif progress.seconds - self._shown_s >= LINE_EVERY_S:
            self._shown_s = progress.seconds
            click.echo(text, err=True)

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._open:
            click.echo("", err=True)
        self._open = False
