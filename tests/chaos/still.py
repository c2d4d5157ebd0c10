"""Whether the pipeline stands still although nothing is wrong any more; pure."""

from dataclasses import dataclass
from typing import Final

STILL_S: Final = 60.0
"""Twice what the product takes to be itself again: sessions expire after 10 s, a restart waits for 30 s at most."""


@dataclass
class Still:
    """Fed with how many messages are open, every now and then."""

    limit_s: float = STILL_S
    _open: int | None = None
    _since: float = 0.0
    _told: bool = False

    def look(self, now: float, open_: int | None) -> bool:
        """Return True, once, when messages are open and their number has not changed for the limit.

        ``now``: seconds of a monotonic clock; ``open_``: None where the broker does not say.
        """
        if open_ is None or open_ != self._open:
            self._open, self._since = open_, now
            return False
        if not open_ or self._told or now - self._since < self.limit_s:
            return False
        self._told = True
        return True
