"""A free port is its asker's alone from the moment it is given out."""

import random
import socket
import sys

import pytest

from pipeline.embedded import ports
from pipeline.embedded.ports import LOOPBACK, free_port, is_free
from pipeline.errors import EmbeddedServiceError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ports are kept on Linux only")


def listener(port: int) -> socket.socket:
    """As servers do it, ours and those in Rust, Java and C++."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((LOOPBACK, port))
    server.listen()
    return server


def test_two_who_draw_the_same_port_do_not_both_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stacks that started in the same seconds did, and a worker of the second one could not listen."""
    first = free_port()
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        spare = probe.getsockname()[1]
    draws = iter([first, first, spare])
    monkeypatch.setattr(random, "randrange", lambda *_: next(draws))
    assert free_port() == spare


def test_a_server_listens_on_it_and_again_after_a_restart() -> None:
    port = free_port()
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((LOOPBACK, port))
        with listener(port), socket.create_connection((LOOPBACK, port)) as client:
            assert client.getpeername()[1] == port
            assert not is_free(port)
    assert is_free(port)


def test_a_port_with_a_server_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        monkeypatch.setattr(random, "randrange", lambda *_: server.getsockname()[1])
        with pytest.raises(EmbeddedServiceError, match="no free port"):
            free_port()


def test_it_is_not_handed_to_children() -> None:
    free_port()
    assert not ports._kept[-1].get_inheritable()  # a child that lives on would keep it
