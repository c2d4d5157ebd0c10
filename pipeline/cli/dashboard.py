"""`babelwatch dashboard`: the page and the HTTP API alone."""

import errno
import socket
from contextlib import suppress

import click

from pipeline.errors import EmbeddedServiceError


@click.command()
@click.option("--host", help="Address to listen on (BABELWATCH_DASHBOARD_HOST; default 127.0.0.1)")
@click.option("--port", type=int, help="Port (BABELWATCH_DASHBOARD_PORT; default 8600)")
def command(host: str | None, port: int | None) -> None:
    """Serve the dashboard and the HTTP API.

    Needs ClickHouse (CLICKHOUSE_URL, or a running `babelwatch up` in the same data folder) and a token
    (BABELWATCH_API_TOKEN). ClickHouse may be away: the page says so and recovers by itself.
    """
    import uvicorn

    from pipeline.dashboard.app import create_app
    from pipeline.local import discover
    from pipeline.settings import load_settings

    given = {k: v for k, v in {"dashboard_host": host, "dashboard_port": port}.items() if v is not None}
    settings = discover(load_settings(**given))
    app = create_app(settings)
    listener = _listen(settings.dashboard_host, settings.dashboard_port)
    shown = f"[{listener.getsockname()[0]}]" if listener.family == socket.AF_INET6 else listener.getsockname()[0]
    click.echo(f"dashboard on http://{shown}:{listener.getsockname()[1]}/ (open it with ?token=...)")
    config = uvicorn.Config(
        app,
        log_level=settings.log_level.lower(),
        access_log=False,  # an address may hold ?token=...
        timeout_graceful_shutdown=2,  # streams never end by themselves
        server_header=False,
    )
    with suppress(KeyboardInterrupt):  # uvicorn has ended in order, then raises the signal again
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises EmbeddedServiceError that says what to do when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise EmbeddedServiceError(
                f"port {port} of {host} is taken: set BABELWATCH_DASHBOARD_PORT or --port to another one"
            ) from None
        raise EmbeddedServiceError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    listener.listen(128)
    listener.set_inheritable(True)
    return listener
