"""Free loopback ports."""

import contextlib
import random
import socket
from pathlib import Path
from typing import Final

from pipeline.errors import EmbeddedServiceError

LOOPBACK: Final = "127.0.0.1"
_LOWEST: Final = 15_000
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """True when a server could listen on ``host:port`` now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        # As servers do: without it a port whose last connections linger in TIME_WAIT counts as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on.

    Taken from below the range that the kernel hands to outgoing connections: between this call and the moment the
    server binds, our own clients open connections, and one of them could get it. Callers try again all the same.
    """
    end = _ephemeral_begin()
    for _ in range(200):
        port = random.randrange(_LOWEST, end)  # noqa: S311 - no secret
        if is_free(port):
            return port
    raise EmbeddedServiceError(f"no free port on {LOOPBACK} between {_LOWEST} and {end}")


def require_free(port: int, what: str, remedy: str, host: str = LOOPBACK) -> None:
    """Raise EmbeddedServiceError that names ``what``, the port and ``remedy`` when ``host:port`` is taken."""
    if not is_free(port, host):
        raise EmbeddedServiceError(f"port {port} of {host}, wanted for {what}, is taken: {remedy}")


def _ephemeral_begin() -> int:
    try:
        begin = int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        begin = 32_768
    return begin if begin > _LOWEST + 1000 else 65_000
