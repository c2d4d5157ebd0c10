"""Faults that are never drawn, with the reason; they are in the report so that nobody believes they were."""

from tests.chaos.faults.base import Fault
from tests.chaos.schedule import Planned
from tests.chaos.world import World


class _Never(Fault):
    lasts = (0.0, 0.0)
    reason = ""

    def available(self, world: World) -> str | None:
        return self.reason

    def targets(self, world: World) -> tuple[str, ...]:
        return ()

    def holds(self, target: str) -> str:
        return target

    def start(self, world: World, planned: Planned) -> str:
        raise NotImplementedError(self.reason)

    def end(self, world: World, planned: Planned) -> None:
        raise NotImplementedError(self.reason)


class BrokerKilledInMemory(_Never):
    name = "broker-loss"
    what = "SIGKILL to the embedded broker"
    reason = "never among the others, because it loses what was not stored; it comes at the end, with its own account"

    def available(self, world: World) -> str | None:
        return self.reason if not world.broker.durable else "Apache Kafka keeps its log: see broker-kill"
