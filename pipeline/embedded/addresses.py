"""Where the pages of a stack's processes are; their ports are chosen before anything starts."""

import json
from collections.abc import Callable, Iterable
from typing import Final

from pipeline.embedded.pages import get
from pipeline.embedded.ports import free_port, is_free, require_free
from pipeline.settings import Settings

DASHBOARD: Final = "dashboard"
_ANSWER_S: Final = 2.0


class Addresses:
    """Ports of the workers (on loopback) and of the dashboard (on its own host)."""

    def __init__(self, settings: Settings, roles: Iterable[str], say: Callable[[str], object]) -> None:
        """Choose free ports; ``say`` is told when the dashboard has to take another one than usual.

        Raises EmbeddedServiceError when the dashboard's port was set and is taken.
        """
        self._host = settings.dashboard_host
        self._ports = {role: free_port() for role in roles} | {DASHBOARD: _dashboard_port(settings, say)}

    def port(self, name: str) -> int:
        """Port of one of them."""
        return self._ports[name]

    @property
    def page(self) -> str:
        """Address of the dashboard for a browser on this machine, without its token."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self._ports[DASHBOARD]}"

    def of(self, name: str) -> str:
        """Where a process's pages are; empty for one without."""
        if name == DASHBOARD:
            return self.page
        return f"http://127.0.0.1:{self._ports[name]}" if name in self._ports else ""

    def is_ready(self, name: str) -> bool:
        """Whether the dashboard answers, or a worker is a member of its consumer group."""
        path = "/health" if name == DASHBOARD else "/status"
        try:
            answer = get(self.of(name) + path, _ANSWER_S)
            return name == DASHBOARD or bool(json.loads(answer).get("member"))
        except (OSError, ValueError):
            return False


def _dashboard_port(settings: Settings, say: Callable[[str], object]) -> int:
    host, port = settings.dashboard_host, settings.dashboard_port
    if port == 0:
        return free_port()
    if "dashboard_port" in settings.model_fields_set:
        require_free(port, "the dashboard", "set BABELWATCH_DASHBOARD_PORT to another one (0: any free one)", host)
    elif not is_free(port, host):
        other = free_port()
        say(f"port {port} is taken: the dashboard takes {other} (BABELWATCH_DASHBOARD_PORT sets it)")
        return other
    return port
