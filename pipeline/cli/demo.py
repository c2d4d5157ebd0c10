"""``babelwatch demo``: everything on this machine, fed with the sample mentions."""

import sys
from pathlib import Path

import click

from pipeline.cli import options
from pipeline.cli.signals import FORCED, StopSignals, stop
from pipeline.errors import InputError
from pipeline.hangup import outlive_terminal
from pipeline.settings import Settings, load_settings


class Line:
    """The line of progress: rewritten in place on a terminal, one in a while elsewhere (logs)."""

    EVERY_S = 10.0

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown_at = -self.EVERY_S
        self._open = False

    def show(self, text: str, at_s: float) -> None:
        """Show ``text``, which is true ``at_s`` seconds after the start."""
        if self._terminal:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
            self._open = True
        elif at_s - self._shown_at >= self.EVERY_S:
            self._shown_at = at_s
            click.echo(text, err=True)

    def end(self) -> None:
        """Leave the line as it stands."""
        if self._open:
            click.echo("", err=True)
        self._open = False


@click.command(
    epilog="Ctrl-C drains and stops all of it within 10 s. Exit codes: 0 fine; 7 the report does not add up; "
    "others as `babelwatch up`."
)
@click.option("--for", "seconds", type=click.FloatRange(min=1), metavar="SECONDS", help="Stop after so many seconds.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write what happened as JSON, and exit 0 only if every mention is accounted for.",
)
@click.option("--fresh", is_flag=True, help="Drop what earlier runs left in the embedded ClickHouse.")
@click.option(
    "--rate", type=click.FloatRange(0.1, 2000), default=18.0, show_default=True, help="Mentions per second, on average."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed sends the same texts in order.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the page; 0 takes a free one (default 8600).")
@click.option("--no-incident", is_flag=True, help="An ordinary day: no phone burns.")
@options.accept_error
def command(
    seconds: float | None,
    report: Path | None,
    fresh: bool,
    rate: float,
    seed: int,
    port: int | None,
    no_incident: bool,
    accept_error: float | None,
) -> None:
    """Run everything on this machine and replay the sample mentions at a live pace.

    Starts what is not given (KAFKA_BROKERS, CLICKHOUSE_URL): broker, ClickHouse, workers, dashboard; prints the page's
    address. About 30 s after the first mention a phone of a fictional brand begins to burn: complaints in Portuguese
    and Spanish, then Hindi and Japanese, English last.

    \b
    babelwatch demo                                   until Ctrl-C
    babelwatch demo --for 60 --report demo.json       a minute, and where every message went
    """
    from pipeline.report import check_writable

    if report is not None:
        check_writable(report)
    # demo: the dashboard compares with the gold labels of the sample
    settings = load_settings(demo=True, **options.given(dashboard_port=port, accept_error=accept_error))
    options.check_accept_error(settings)
    if fresh and settings.clickhouse_url is not None:
        raise InputError(
            "--fresh drops the data of the embedded ClickHouse only, and CLICKHOUSE_URL names another one: drop its "
            "database yourself if you mean it"
        )
    _run(settings, seconds=seconds, report=report, fresh=fresh, rate=rate, seed=seed, scripted=not no_incident)


def _run(
    settings: Settings,
    *,
    seconds: float | None,
    report: Path | None,
    fresh: bool,
    rate: float,
    seed: int,
    scripted: bool,
) -> None:
    from pipeline.demo import DRAIN_S, INTERRUPTED_DRAIN_S, Demo, DemoOptions, Progress
    from pipeline.stack import Stack

    outlive_terminal(settings.data_dir / "logs" / "demo.log")
    line = Line()

    def watch(progress: Progress) -> None:
        stored, dead, lag = ("?" if n is None else f"{n:,}" for n in (progress.stored, progress.dead, progress.lag))
        text = f"{progress.elapsed_s:4.0f} s   sent {progress.sent:,}   stored {stored}   dead {dead}   lag {lag}"
        line.show(text, progress.elapsed_s)

    def say(text: str) -> None:
        line.end()
        click.echo(text, err=True)

    stack = Stack(settings, fresh=fresh, say=say)
    with StopSignals() as signals:
        try:
            stack.start()
            demo = Demo(stack, DemoOptions(seconds=seconds, rate=rate, seed=seed, scripted=scripted), watch)
            # The last five minutes: all that a new demo has.
            click.echo(f"\n  Dashboard: {stack.dashboard_url}&window=300\n\n  Ctrl-C stops everything.\n")
            signals.gentle()
            demo.replay(signals.stop)
            interrupted = signals.stop.is_set()
            say("draining ... (Ctrl-C again stops at once)" if interrupted else "draining ...")
            undrained = stack.drain(INTERRUPTED_DRAIN_S if interrupted else DRAIN_S)
            for topic, number in undrained.items():
                say(f"not drained: {number:,} messages in {topic}")
            if report is not None or not interrupted:
                result = demo.report(undrained, settle_s=0.0 if interrupted else 10.0)
                for text in result.lines():
                    click.echo(text)
                if report is not None:
                    result.write(report)
                    click.echo(f"report: {report}")
                result.counts.require_accounted()
        except KeyboardInterrupt:
            signals.ignore()
            say("stopping by force")
            stack.kill()
            raise SystemExit(FORCED) from None
        finally:
            line.end()
            stop(stack, signals)
