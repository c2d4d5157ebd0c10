"""ClickHouse's disk is full."""

from tests.chaos.faults.base import Fault
from tests.chaos.schedule import Planned
from tests.chaos.world import World


class DiskFull(Fault):
    name = "disk-full"
    what = "no byte is left on ClickHouse's disk"
    lasts = (3.0, 8.0)

    def available(self, world: World) -> str | None:
        return world.missing.get("disk")

    def targets(self, world: World) -> tuple[str, ...]:
        return ("clickhouse",)

    def holds(self, target: str) -> str:
        return target

    def start(self, world: World, planned: Planned) -> str:
        assert world.disk is not None
        world.disk.fill()
        return ""

    def end(self, world: World, planned: Planned) -> None:
        assert world.disk is not None
        world.disk.free()
