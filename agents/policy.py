"""When a stage stops with an error instead of filling the dead letters."""

from collections import deque
from dataclasses import dataclass

from pipeline.errors import TooManyDeadLetters


@dataclass(frozen=True)
class DeadLetterPolicy:
    """Stop when at least ``max_share`` of the last ``window`` messages are dead.

    One source that sends rubbish is normal and must not stop the others. But when nearly everything is dead, the fault
    is ours or the deployment's (a wrong topic, a newer producer, a broken model), and going on would drain a week of
    good mentions into the dead letters and acknowledge them. The window is large so that a burst of poison (a replay,
    a test, one bad file) does not stop a worker.
    """

    window: int = 1000
    max_share: float = 0.95


class DeadLetterGuard:
    """Counts what a stage does with its messages, by batch."""

    def __init__(self, role: str, policy: DeadLetterPolicy) -> None:
        self._role = role
        self._policy = policy
        self._batches: deque[tuple[int, int]] = deque()
        self._messages = 0
        self._dead = 0

    def observe(self, messages: int, dead: int, example: str = "") -> None:
        """Take note of a batch *before* its dead letters are sent. Raises TooManyDeadLetters.

        ``example`` is one of the errors, for the message that the operator reads.
        """
        self._batches.append((messages, dead))
        self._messages += messages
        self._dead += dead
        while self._batches and self._messages - self._batches[0][0] >= self._policy.window:
            oldest = self._batches.popleft()
            self._messages -= oldest[0]
            self._dead -= oldest[1]
        if self._messages >= self._policy.window and self._dead >= self._policy.max_share * self._messages:
            raise TooManyDeadLetters(
                f"{self._role}: {self._dead} of the last {self._messages} messages cannot be processed, so the worker "
                f"stops instead of moving the whole topic to mentions.dead; the last reason was: {example[:300]}. "
                "Look at `babelwatch dead list`, at what the producers send and at the worker's version, then start it "
                "again: nothing of this batch was acknowledged"
            )
