"""``babelwatch worker ROLE``: one agent, with its pages."""

import faulthandler
import sys
from typing import Final

import click

from pipeline.cli import options
from pipeline.cli.signals import StopSignals
from pipeline.errors import BabelwatchError, InputError
from pipeline.hangup import outlive_terminal
from pipeline.settings import load_settings

ROLES: Final = ("language", "sentiment", "sink")


@click.command(
    epilog="Exit codes: 0 stopped by a signal and drained; 2 settings; 3 broker or ClickHouse away; 6 model; 8 nearly "
    "everything was dead; other: crashed, start it again. What is not 0 may be restarted: nothing unfinished was "
    "acknowledged."
)
@click.argument("role", type=click.Choice(ROLES))
@click.option("--web-host", help="Where its pages listen (default 127.0.0.1, or BABELWATCH_WEB_HOST).")
@click.option("--web-port", type=click.IntRange(0, 65535), help="Port of its pages; 0 takes a free one (default 6066).")
@options.accept_error
def command(role: str, web_host: str | None, web_port: int | None, accept_error: float | None) -> None:
    """Run one agent: language, sentiment or sink.

    \b
    language    mentions          -> mentions.detected   validates, finds language and brands
    sentiment   mentions.detected -> mentions.scored     judges
    sink        mentions.scored   -> ClickHouse          stores, with rollups; dead letters too

    Workers of one role share its partitions; more workers than partitions stand idle.
    Pages: /health, /metrics (Prometheus), /status.
    """
    import os

    from agents.worker import run_worker
    from pipeline.local import discover

    if accept_error is not None and role != "sentiment":
        raise InputError(f"--accept-error is for the sentiment worker: the {role} worker judges nothing")
    overrides = options.given(web_host=web_host, web_port=web_port, accept_error=accept_error)
    settings = discover(load_settings(**overrides))
    code = 0
    outlive_terminal()
    faulthandler.enable()  # a crash in native code leaves the stacks of all threads in the log
    try:
        # Until the stream client takes the signals over, there is nothing to drain: a stop is at once, and no failure.
        with StopSignals():
            run_worker(role, settings, say=click.echo)
    except KeyboardInterrupt:
        click.echo(f"{role} worker: stopped while it started")
    except BabelwatchError as error:
        click.echo(f"babelwatch: {error}", err=True)
        code = error.exit_code
    sys.stdout.flush()
    sys.stderr.flush()
    # Everything durable is done. The interpreter's own shutdown would wait for threads that may hang in a dead service
    # or in the inference engine, and that has kept a drained worker from ending.
    os._exit(code)
