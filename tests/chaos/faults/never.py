"""A fault that is never drawn, with the reason; it is in the report so that nobody believes it was."""

from tests.chaos.schedule import Planned
from tests.chaos.world import World


class BrokerKilledInMemory:
    name = "broker-loss"
    what = "SIGKILL to the embedded broker"
    lasts = (0.0, 0.0)
    withheld = ""
    reason = "never among the others, because it loses what was not stored; it comes at the end, with its own account"

    def available(self, world: World) -> str | None:
        return self.reason if not world.broker.durable else "Apache Kafka keeps its log: see broker-kill"

    def targets(self, world: World) -> tuple[str, ...]:
        return ()

    def holds(self, target: str) -> str:
        return target

    def start(self, world: World, planned: Planned) -> str:
        raise NotImplementedError(self.reason)

    def end(self, world: World, planned: Planned) -> None:
        raise NotImplementedError(self.reason)
