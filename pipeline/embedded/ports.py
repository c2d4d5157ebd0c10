"""Free loopback ports."""

import contextlib
import random
import socket
import sys
from collections import deque
from pathlib import Path
from typing import Final

from pipeline.errors import EmbeddedServiceError

LOOPBACK: Final = "127.0.0.1"
_LOWEST: Final = 15_000
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_kept: Final = deque[socket.socket](maxlen=256)
"""Sockets on the ports given out; a stack has six, and a process of tests or chaos gives back the oldest."""


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
    """Return a port of 127.0.0.1 that nobody listens on, and keep it for this process and its children.

    Between this call and the moment the server binds seconds pass, and a second stack that starts on the machine
    chooses as well. So a socket that is bound and never listens stays on the port while this process lives: whoever
    binds without SO_REUSEADDR, as this function does, finds it taken, while a server, which sets that option, may
    listen on it, also when it is restarted (Linux, socket(7)). Until then connections are refused as ever.

    Taken from below the range that the kernel hands to outgoing connections, where our own clients are.

    Raises EmbeddedServiceError when no port is free.
    """
    end = _ephemeral_begin()
    for _ in range(200):
        port = random.randrange(_LOWEST, end)  # noqa: S311 - no secret
        if (kept := _keep(port)) is not None:
            _kept.append(kept)
            return port
    raise EmbeddedServiceError(f"no free port on {LOOPBACK} between {_LOWEST} and {end}")


def _keep(port: int) -> socket.socket | None:
    """Bind ``port`` so that nobody else who asks here gets it; None when it is taken."""
    kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        kept.bind((LOOPBACK, port))
    except OSError:
        kept.close()
        return None
    # Only now: with it from the beginning, two could bind the same port.
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sys.platform != "linux":
        # Elsewhere no server could listen beside it.
        kept.close()
    return kept


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
