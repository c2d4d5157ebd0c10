"""The network between workers and services: each connection goes through Toxiproxy, which can spoil it."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from pipeline.embedded.child import Child
from pipeline.embedded.ports import LOOPBACK, free_port
from pipeline.embedded.processes import listens
from tests.chaos.tools import toxiproxy


class Network:
    """One Toxiproxy; a *link* is one of its proxies."""

    def __init__(self, folder: Path) -> None:
        """Raises tools.NotHere."""
        self._port = free_port()
        argv = [str(toxiproxy()), "-host", LOOPBACK, "-port", str(self._port)]
        self._child = Child("Toxiproxy", argv, folder / "logs" / "toxiproxy.log")
        self.links: dict[str, str] = {}
        """Name -> host:port that the worker is given."""

    def start(self) -> None:
        """Start it. Raises RuntimeError."""
        self._child.start()
        if not self._child.wait_ready(lambda: listens(self._child.pid, self._port), 15):
            raise RuntimeError(f"Toxiproxy did not start: {self._child.last_words()}")

    def stop(self) -> None:
        """End it."""
        self._child.kill()

    def link(self, name: str, upstream: str) -> str:
        """Make a link to ``upstream`` (host:port) and return its own host:port."""
        listen = f"{LOOPBACK}:{free_port()}"
        self._ask("POST", "/proxies", {"name": name, "listen": listen, "upstream": upstream, "enabled": True})
        self.links[name] = listen
        return listen

    def cut(self, name: str) -> None:
        """Close all connections of a link and refuse new ones."""
        self._ask("POST", f"/proxies/{name}", {"enabled": False})

    def spoil(self, name: str, kind: str, stream: str, **attributes: int) -> None:
        """Add a toxic of Toxiproxy's (``latency``, ``timeout``, ``limit_data`` ...); ``stream`` is its direction."""
        toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream, "attributes": attributes}
        self._ask("POST", f"/proxies/{name}/toxics", toxic)

    def heal(self, name: str) -> None:
        """Make a link work again. Its connections are closed first: a stream in which bytes were dropped never goes on
        in TCP, so it must not go on here."""
        self.cut(name)
        for toxic in self._ask("GET", f"/proxies/{name}/toxics"):
            self._ask("DELETE", f"/proxies/{name}/toxics/{toxic['name']}")
        self._ask("POST", f"/proxies/{name}", {"enabled": True})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, tries: int = 5) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{self._port}{path}", data, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"Toxiproxy, {method} {path}: {error.read().decode(errors='replace')[:300]}") from None
        except OSError:
            if tries == 1:
                raise
            time.sleep(0.2)
            return self._ask(method, path, body, tries - 1)
