"""The wall clock of one worker jumps, and later back."""

import random

from tests.chaos.faults.base import Fault
from tests.chaos.schedule import Planned
from tests.chaos.world import World

JUMPS_S = (-3 * 86_400, -7_200, -30, 30, 7_200, 400 * 86_400)


class ClockJump(Fault):
    name = "clock-jump"
    what = "the wall clock of a worker jumps, and back"
    lasts = (4.0, 10.0)

    def available(self, world: World) -> str | None:
        return world.missing.get("clock")

    def targets(self, world: World) -> tuple[str, ...]:
        return tuple(world.fleet.children)

    def holds(self, target: str) -> str:
        return f"{target}-clock"

    def start(self, world: World, planned: Planned) -> str:
        assert world.clocks is not None
        jump = random.Random(planned.seed).choice(JUMPS_S)
        world.clocks.set(planned.target, jump)
        return f"{jump:+d} s"

    def end(self, world: World, planned: Planned) -> None:
        assert world.clocks is not None
        world.clocks.set(planned.target, 0)
