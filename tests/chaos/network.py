"""The network between workers and services: each connection goes through a Toxiproxy, which can spoil it.

One Toxiproxy for each link, because healing ends it by force and starts another one: under load its own API hangs when
a toxic is taken off a link that is full (version 2.12), and the fault would never end.
"""

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.embedded.child import Child
from pipeline.embedded.ports import LOOPBACK, free_port
from pipeline.embedded.processes import listens
from tests.chaos.tools import toxiproxy


@dataclass
class _Link:
    name: str
    listen: str
    upstream: str
    child: Child
    port: int


class Network:
    """All links by name."""

    def __init__(self, folder: Path) -> None:
        """Raises tools.NotHere."""
        self._program = str(toxiproxy())
        self._logs = folder / "logs"
        self._links: dict[str, _Link] = {}

    def stop(self) -> None:
        """End all links."""
        for link in self._links.values():
            link.child.kill()

    def link(self, name: str, upstream: str) -> str:
        """Make a link to ``upstream`` (host:port) and return its own host:port. Raises RuntimeError."""
        port = free_port()
        argv = [self._program, "-host", LOOPBACK, "-port", str(port)]
        made = _Link(
            name,
            f"{LOOPBACK}:{free_port()}",
            upstream,
            Child(f"Toxiproxy {name}", argv, self._logs / f"toxiproxy-{name}.log"),
            port,
        )
        self._links[name] = made
        self._open(made)
        return made.listen

    def cut(self, name: str) -> None:
        """Close all connections of a link and refuse new ones."""
        self._links[name].child.kill()

    def spoil(self, name: str, kind: str, stream: str, **attributes: int) -> None:
        """Add a toxic of Toxiproxy's (``latency``, ``timeout``, ``limit_data`` ...); ``stream`` is its direction."""
        toxic = {"name": f"{kind}-{stream}", "type": kind, "stream": stream, "attributes": attributes}
        self._post(self._links[name], f"/proxies/{name}/toxics", toxic)

    def heal(self, name: str) -> None:
        """Make a link work again, with new connections: a stream in which bytes were dropped never goes on in TCP."""
        self.cut(name)
        self._open(self._links[name])

    def _open(self, link: _Link) -> None:
        link.child.start()
        if not link.child.wait_ready(lambda: listens(link.child.pid, link.port), 15):
            raise RuntimeError(f"Toxiproxy did not start: {link.child.last_words()}")
        what = {"name": link.name, "listen": link.listen, "upstream": link.upstream, "enabled": True}
        self._post(link, "/proxies", what)

    def _post(self, link: _Link, path: str, body: dict[str, Any], tries: int = 5) -> None:
        request = urllib.request.Request(
            f"http://{LOOPBACK}:{link.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"Toxiproxy, POST {path}: {error.read().decode(errors='replace')[:300]}") from None
        except OSError:
            if tries == 1:
                raise
            time.sleep(0.2)
            self._post(link, path, body, tries - 1)
