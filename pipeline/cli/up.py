"""``babelwatch up``: everything on this machine, until Ctrl-C."""

import logging
from typing import TYPE_CHECKING, Final

import click

from pipeline.cli import options
from pipeline.cli.signals import FORCED, StopSignals, stop
from pipeline.errors import BrokerUnavailable, InputError
from pipeline.hangup import outlive_terminal
from pipeline.settings import load_settings

if TYPE_CHECKING:
    from pipeline.stack import Stack

DRAIN_S: Final = 5.0
STOP_AFTER_DRAIN_S: Final = 4.5
STOP_S: Final = 9.5
"""A stop is over within 10 s. Where the broker is ours, half of that goes to the stages (what they do not finish is
lost); otherwise the workers have all of it to finish and commit what they hold."""


@click.command(
    epilog="Exit codes: 0 stopped in order; 2 settings; 3 broker or ClickHouse does not answer or refuses; 4 a "
    "migration; 5 an embedded service (port, folder, disk), or the folder is in use; 6 the model; 8 nearly everything "
    "was dead; 130 interrupted while starting, or stopped by force."
)
@click.option("--fresh", is_flag=True, help="Drop what earlier runs left in the embedded ClickHouse.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the page; 0 takes a free one (default 8600).")
@options.accept_error
def command(fresh: bool, port: int | None, accept_error: float | None) -> None:
    """Run everything: services that are not given, workers, dashboard.

    Without KAFKA_BROKERS an embedded broker is started, without CLICKHOUSE_URL an embedded ClickHouse; both listen on
    loopback only. ClickHouse's data stays in the data folder (BABELWATCH_DATA_DIR, default data/); what is in the
    embedded broker ends with it, so a stop drains first and prints what is left. Crashed workers are started again.

    \b
    babelwatch up
    KAFKA_BROKERS=k1:9092,k2:9092 CLICKHOUSE_URL=clickhouse://user:password@host:9000/babelwatch babelwatch up

    Ctrl-C drains and stops all of it within 10 s; a second one stops it at once. A terminal that is closed stops it in
    order as well (what it says then is in logs/up.log of the data folder), unless it was started with nohup.
    """
    from pipeline.stack import Stack

    settings = load_settings(**options.given(dashboard_port=port, accept_error=accept_error))
    options.check_accept_error(settings)
    if fresh and settings.clickhouse_url is not None:
        raise InputError(
            "--fresh drops the data of the embedded ClickHouse only, and CLICKHOUSE_URL names another one: drop its "
            "database yourself if you mean it"
        )
    outlive_terminal(settings.data_dir / "logs" / "up.log")
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    stack = Stack(settings, fresh=fresh, say=lambda text: click.echo(text, err=True))
    with StopSignals() as signals:
        try:
            stack.start()
            click.echo(f"\n  Dashboard: {stack.dashboard_url}\n\n  Ctrl-C stops everything.\n")
            signals.gentle()
            while stack.failure is None and not signals.stop.wait(0.2):
                pass
            if stack.failure is None:
                _end(stack)
        except KeyboardInterrupt:
            signals.ignore()
            click.echo("stopping by force", err=True)
            stack.kill()
            raise SystemExit(FORCED) from None
        finally:
            stop(stack, signals)
    if stack.failure is not None:
        raise stack.failure
    click.echo("stopped", err=True)


def _end(stack: "Stack") -> None:
    """Let the stages finish where what they have not would be lost, stop, and say what is left."""
    if not stack.broker_embedded:
        click.echo("stopping; what is not processed yet stays in Kafka for the next start", err=True)
        stack.stop(STOP_S)
        return
    click.echo("draining ... (Ctrl-C again stops at once)", err=True)
    stack.close_entrances()
    try:
        stack.drain(DRAIN_S)
    except BrokerUnavailable as error:
        click.echo(f"cannot drain: {error}", err=True)
    for topic, count in stack.stop(STOP_AFTER_DRAIN_S).items():
        click.echo(f"not drained, lost with the embedded broker: {count:,} messages in {topic}", err=True)
