"""The workers, several of each role, as processes that are started again when they end, as in production."""

import json
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pipeline.embedded.child import Child
from pipeline.embedded.ports import free_port
from pipeline.embedded.supervisor import Supervisor, Watched

ROLES: Final = ("language", "sentiment", "sink")
READY_S: Final = 180.0


def names(each: int) -> list[str]:
    """``language-1``, ``language-2``, ...: ``each`` workers of every role."""
    return [f"{role}-{number}" for role in ROLES for number in range(1, each + 1)]


class Fleet:
    """Workers by name, under the product's own supervisor and its restart policy."""

    def __init__(
        self,
        folder: Path,
        environments: Mapping[str, Mapping[str, str]],
        say: Callable[[str], object],
        command: Sequence[str] = ("tests.chaos.worker",),
    ) -> None:
        """``environments``: name -> environment of its process; ``command``: module and arguments before the role."""
        self.children: dict[str, Child] = {}
        self.ends: Counter[tuple[str, str]] = Counter()
        """(role, how it ended) -> times."""
        self._say = say
        self._supervisor = Supervisor(self._changed)
        self._ports = {name: free_port() for name in environments}
        for name, environment in environments.items():
            argv = [sys.executable, "-m", *command, role_of(name), "--web-port", str(self._ports[name])]
            self.children[name] = Child(name, argv, folder / "logs" / f"{name}.log", env=environment)

    def start(self, some: Sequence[str] | None = None) -> None:
        """Start all (or these) and return when each is a member of its consumer group. Raises RuntimeError."""
        chosen = list(self.children) if some is None else list(some)
        for name in chosen:
            self.children[name].start()
            self._supervisor.watch(name, self.children[name])
        self.wait(chosen)

    def leave(self, some: Sequence[str]) -> None:
        """Let these workers drain and end, for good."""
        for name in some:
            self._supervisor.forget(name)
            self.children[name].terminate()
        for name in some:
            self.children[name].stop(10)

    def running(self) -> list[str]:
        """Names of those that run."""
        return [name for name, child in self.children.items() if child.running]

    def wait(self, waiting: Sequence[str]) -> None:
        """Return when these workers are members of their groups. Raises RuntimeError."""
        left = list(waiting)
        deadline = time.monotonic() + READY_S
        while left:
            if self.status(left[0]).get("member"):
                left.pop(0)
                continue
            watched = self._supervisor.watched[left[0]]
            if watched.state == "failed" or time.monotonic() > deadline:
                raise RuntimeError(f"{left[0]} is not ready ({watched.ended}):\n{watched.child.last_words()}")
            time.sleep(0.2)

    def failed(self) -> list[str]:
        """Workers that ended and are not started again: the product says that another start cannot help."""
        return [name for name, watched in self._supervisor.watched.items() if watched.state == "failed"]

    def restarts(self) -> int:
        """Starts after an end."""
        return sum(watched.restarts for watched in self._supervisor.watched.values())

    def stop(self) -> None:
        """End all of them; those that do not drain in time by force."""
        self._supervisor.stop()
        for child in self.children.values():
            child.terminate()
        for child in self.children.values():
            child.stop(10)

    def url(self, name: str) -> str:
        """Where a worker's pages are."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def status(self, name: str) -> dict[str, Any]:
        """What /status of a worker says; nothing when it does not answer."""
        try:
            url = f"{self.url(name)}/status"
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - loopback
                found: dict[str, Any] = json.load(answer)
                return found
        except (OSError, ValueError):
            return {}

    def _changed(self, name: str, watched: Watched) -> None:
        if watched.state in {"restarting", "failed"}:
            self.ends[role_of(name), watched.ended] += 1
            self._say(f"{name} ended ({watched.ended})")


def role_of(name: str) -> str:
    """``sink`` of ``sink-2``."""
    return name.rpartition("-")[0]
