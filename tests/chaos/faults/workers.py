"""Signals to workers. The supervisor starts again what ends."""

import contextlib
import os
import signal

from tests.chaos.faults.base import Fault
from tests.chaos.schedule import Planned
from tests.chaos.world import World


class _OnWorker(Fault):
    lasts = (0.0, 0.0)

    def available(self, world: World) -> str | None:
        return None

    def targets(self, world: World) -> tuple[str, ...]:
        return tuple(world.fleet.children)

    def holds(self, target: str) -> str:
        return target

    def end(self, world: World, planned: Planned) -> None:
        """Nothing: the supervisor does it."""

    def _send(self, world: World, planned: Planned, number: signal.Signals) -> str:
        child = world.fleet.children[planned.target]
        if not child.running:
            return "it was not running"
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, number)
        return f"pid {child.pid}"


class KillWorker(_OnWorker):
    name = "kill-worker"
    what = "SIGKILL to a worker"

    def start(self, world: World, planned: Planned) -> str:
        return self._send(world, planned, signal.SIGKILL)


class TermWorker(_OnWorker):
    name = "term-worker"
    what = "SIGTERM to a worker"

    def start(self, world: World, planned: Planned) -> str:
        return self._send(world, planned, signal.SIGTERM)


class StopWorker(_OnWorker):
    name = "stop-worker"
    what = "SIGSTOP to a worker for longer than the session timeout (10 s), then SIGCONT: a zombie with old work"
    lasts = (11.0, 15.0)

    def start(self, world: World, planned: Planned) -> str:
        return self._send(world, planned, signal.SIGSTOP)

    def end(self, world: World, planned: Planned) -> None:
        self._send(world, planned, signal.SIGCONT)
