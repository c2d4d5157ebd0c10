"""Pages of our own processes are asked directly, and a look never raises."""

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from pipeline.embedded.pages import Looker, get
from pipeline.embedded.ports import free_port


class Page(BaseHTTPRequestHandler):
    """503 with JSON, as a worker that is ill."""

    def do_GET(self) -> None:
        body = b"no json" if self.path == "/text" else json.dumps({"healthy": False}).encode()
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With HTTP_PROXY set and no NO_PROXY, `up` waited for ever for pages that were there."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert json.loads(get(address, 5, any_status=True)) == {"healthy": False}


def test_another_status_is_an_error_unless_it_is_wanted(address: str) -> None:
    with pytest.raises(OSError, match="503"):
        get(address, 5)


def test_what_is_no_http_is_an_error_of_the_network() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-somebody else\r\n")

        Thread(target=answer, daemon=True).start()
        with pytest.raises(OSError, match="BadStatusLine"):
            get(f"http://127.0.0.1:{listener.getsockname()[1]}", 5)


def test_a_look_says_what_the_page_says_or_why_it_does_not(address: str) -> None:
    assert Looker("a", address, 1, 5, lambda: 7.0).look().health == {"healthy": False}
    nobody = Looker("b", f"http://127.0.0.1:{free_port()}", 1, 5, lambda: 7.0).look()
    assert nobody.health is None
    assert "refused" in nobody.error
    assert nobody.at == 7.0
    assert Looker("c", f"{address}/text", 1, 5).look().health is None
