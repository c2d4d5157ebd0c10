"""When a process that ended is started again, and when ends have become a pattern. Pure."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """When a child that ended is started again.

    ``final`` are exit codes that another start cannot change (settings, model file) or must not (nearly everything was
    dead: starting again would drain the topic into the dead letters after all).
    """

    first_s: float = 0.5
    limit_s: float = 30.0
    well_after_s: float = 60.0
    """After so long a life the backoff begins anew."""
    final: frozenset[int] = frozenset({2, 4, 6, 8})

    def pause_s(self, in_a_row: int) -> float:
        """Return how long to wait before start number ``in_a_row`` + 1."""
        return min(self.first_s * 2.0 ** min(in_a_row, 30), self.limit_s)


@dataclass(frozen=True)
class CrashLoopPolicy:
    """When ends count as a crash loop, which is named until they become rare again.

    One end is an accident, and a second one may have the same cause; three are a pattern. ``within_s`` holds three
    lives of 90 s with their pauses (a large model that loads and then fails). A process that crashes while it starts
    (2 s) is named after 8 s: pauses of 0.5 and 1 s lie between.
    """

    ends: int = 3
    within_s: float = 300.0


class Ends:
    """The ends of one process over time."""

    def __init__(self, policy: CrashLoopPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._at: deque[float] = deque(maxlen=policy.ends)

    def ended(self) -> None:
        """It ended, in whatever way."""
        self._at.append(self._clock())

    @property
    def crash_looping(self) -> bool:
        """Whether the last ends lie close together, and the last one is not long ago."""
        return len(self._at) == self._policy.ends and self._clock() - self._at[0] <= self._policy.within_s
