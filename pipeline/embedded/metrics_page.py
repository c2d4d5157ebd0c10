"""The metrics of a process without pages of its own, on loopback: those of `up`, which watches all others."""

from typing import TYPE_CHECKING

from prometheus_client import start_http_server

from pipeline.embedded.ports import LOOPBACK
from pipeline.errors import EmbeddedServiceError

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer


class MetricsPage:
    """Serves this process's metrics from a thread between ``open`` and ``close``."""

    def __init__(self) -> None:
        self.url = ""
        self._server: WSGIServer | None = None

    def open(self, port: int) -> None:
        """Begin; port 0 takes a free one. Raises EmbeddedServiceError when the port is taken."""
        try:
            self._server, _ = start_http_server(port, LOOPBACK)
        except OSError as error:
            raise EmbeddedServiceError(
                f"port {port} for the metrics of `up` cannot be used ({error.strerror}): set "
                "BABELWATCH_UP_METRICS_PORT to another one (0: any free one)"
            ) from None
        self.url = f"http://{LOOPBACK}:{self._server.server_address[1]}/metrics"

    def close(self) -> None:
        """End. Safe to call twice."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
