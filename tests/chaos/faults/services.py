"""Signals to the broker and to ClickHouse. What ends is started again on the same data."""

import os
import signal

from pipeline.embedded.child import Child
from tests.chaos.faults.base import Fault
from tests.chaos.schedule import Planned
from tests.chaos.world import World

IN_MEMORY = "the embedded broker's log is its memory: a broker that ends has a part of its own in the report"


class _OnService(Fault):
    verb = ""
    what = ""
    lasts = (1.0, 4.0)

    def __init__(self, service: str) -> None:
        self.service = service
        self.name = f"{service}-{self.verb}"
        self.what = f"{self.what} {'the broker' if service == 'broker' else 'ClickHouse'}{self.then}"

    then = ", started again on the same data"

    def available(self, world: World) -> str | None:
        return IN_MEMORY if self.service == "broker" and not world.broker.durable else None

    def targets(self, world: World) -> tuple[str, ...]:
        return (self.service,)

    def holds(self, target: str) -> str:
        return target

    def end(self, world: World, planned: Planned) -> None:
        if self.service == "broker":
            world.broker.start()
        else:
            world.clickhouse.start()

    def _child(self, world: World) -> Child:
        return world.broker.child if self.service == "broker" else world.clickhouse.child


class KillService(_OnService):
    verb = "kill"
    what = "SIGKILL to"

    def start(self, world: World, planned: Planned) -> str:
        child = self._child(world)
        child.kill()
        return f"pid {child.pid}"


class TermService(_OnService):
    verb = "term"
    what = "SIGTERM to"

    def start(self, world: World, planned: Planned) -> str:
        child = self._child(world)
        orderly = child.stop(30)
        return "ended in order" if orderly else "did not end within 30 s: killed"


class StopService(_OnService):
    verb = "stop"
    what = "SIGSTOP to"
    then = ", then SIGCONT"
    lasts = (3.0, 12.0)

    def available(self, world: World) -> str | None:
        return None

    def start(self, world: World, planned: Planned) -> str:
        os.kill(self._child(world).pid, signal.SIGSTOP)
        return f"pid {self._child(world).pid}"

    def end(self, world: World, planned: Planned) -> None:
        os.kill(self._child(world).pid, signal.SIGCONT)
