"""How large a run is."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Form:
    """One run. The same ``seed`` gives the same messages (but for the day) and, on one machine, the same schedule."""

    broker: str
    mentions: int
    faults: int
    seed: int
    folder: Path
    judge: str = "deterministic"
    workers: int = 2
    """Of each role."""
    mutation: str = ""
    one_in: int = 10_000
    broker_loss: bool = True
    """At the end, kill the embedded broker and say what was lost."""
    no_disk: str = ""
    """Why ClickHouse gets no small disk of its own; empty: it gets one."""
    only: tuple[str, ...] = ()
    """Draw from these faults only."""

    @property
    def backlog(self) -> int:
        """How many messages may be in the pipeline before no more are sent."""
        return max(400, min(8_000, self.mentions // 4))

    @property
    def settle_s(self) -> float:
        """How long the pipeline may take to finish after the last message."""
        return 180 + self.mentions / 1_000
