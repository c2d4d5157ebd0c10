"""How long to wait between attempts, and how a stage is told to stop waiting."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field


class Stopping(Exception):
    """The worker is stopping and the batch's effect is not durable: it stays unacknowledged and will be read again."""


@dataclass(frozen=True)
class RetryPolicy:
    """Exponential with full jitter, so that workers that lost one service do not come back in step.

    No limit of attempts: giving up would either lose the batch or fill the dead letters with good mentions. While a
    stage waits it reads nothing, so memory stays bounded.
    """

    first_s: float = 0.2
    factor: float = 2.0
    longest_s: float = 10.0


@dataclass
class Backoff:
    """Delays of one series of attempts, in seconds."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    jitter: Callable[[], float] = random.random
    attempts: int = 0

    def next_s(self) -> float:
        """Return the delay before the next attempt: between half and all of the exponential step."""
        step = min(self.policy.longest_s, self.policy.first_s * self.policy.factor ** min(self.attempts, 30))
        self.attempts += 1
        return step * (0.5 + self.jitter() / 2)
