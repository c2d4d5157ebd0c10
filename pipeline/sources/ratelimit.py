"""A token bucket per caller: so many mentions a second for long, and a burst at once."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MAX_CALLERS = 10_000


@dataclass
class _Bucket:
    level: float
    at: float


class RateLimiter:
    """Buckets of ``burst`` units that fill at ``rate_per_s``. ``clock`` in seconds, monotonic. Thread-safe."""

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate_per_s, float(burst), clock
        self._buckets: dict[str, _Bucket] = {}
        self._lock = threading.Lock()

    def take(self, caller: str, units: int) -> float:
        """Take ``units`` and return 0.0, or take nothing and return the seconds after which they are there.

        More units than a bucket holds can never be taken: ``inf``.
        """
        with self._lock:
            now = self._clock()
            if caller not in self._buckets and len(self._buckets) >= MAX_CALLERS:
                # a full bucket is what a newcomer gets: forgetting it changes nothing
                for name in [n for n, b in self._buckets.items() if self._level(b, now) >= self._burst]:
                    del self._buckets[name]
            bucket = self._buckets.setdefault(caller, _Bucket(self._burst, now))
            bucket.level, bucket.at = self._level(bucket, now), now
            if units <= bucket.level:
                bucket.level -= units
                return 0.0
            return float("inf") if units > self._burst else (units - bucket.level) / self._rate

    def _level(self, bucket: _Bucket, now: float) -> float:
        return min(self._burst, bucket.level + (now - bucket.at) * self._rate)
