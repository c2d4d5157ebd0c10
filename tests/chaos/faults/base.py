"""What a fault is."""

from typing import Protocol

from tests.chaos.schedule import Planned
from tests.chaos.world import World


class Fault(Protocol):
    """One way in which something goes wrong. It holds no state: ``end`` knows all from the plan."""

    name: str
    what: str
    """In a few words, for the report."""
    lasts: tuple[float, float]
    """Shortest and longest, in seconds."""
    withheld: str = ""
    """Why it is drawn only when it is asked for by name."""

    def available(self, world: World) -> str | None:
        """None, or why it cannot be had here."""

    def targets(self, world: World) -> tuple[str, ...]:
        """What it can hit."""

    def holds(self, target: str) -> str:
        """Name of what it needs for itself: two faults that hold the same never overlap."""

    def start(self, world: World, planned: Planned) -> str:
        """Make it go wrong; returns details for the report."""

    def end(self, world: World, planned: Planned) -> str | None:
        """Put it right again, whatever happened in between; returns more details."""
