"""Whether anybody consumes what waits: by the members of the groups, and by what is committed while one looks.

For who asks once. The dashboard follows committed offsets all the time (:class:`pipeline.dashboard.looks.Standing`).
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from pipeline.kafka.offsets import PartitionLag
from pipeline.kafka.topics import GROUPS
from pipeline.problems import STILL_S, nobody_reads, nothing_committed, standing_still

POLL_S: Final = 0.5
"""As often as a worker commits."""

Key = tuple[str, str, int]
"""Role, topic, partition."""


def unread(
    lags: Iterable[PartitionLag],
    look: Callable[[], Iterable[PartitionLag]],
    members: Callable[[Iterable[str]], Mapping[str, int]],
    *,
    named: Collection[str] = (),
    trusted: Collection[str] = (),
    still_s: float = STILL_S,
    watching: Callable[[str], object] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> list[str]:
    """What waits and is read by nobody, a line for each role and topic. At once where nothing waits.

    ``look`` gives the lags again; ``members`` gives those of groups, without the groups that it knows nothing of.
    A group that has members is watched until its offsets have moved, for ``still_s`` seconds at most: one whose workers
    get on is through within a commit or two. ``watching`` is told what for. ``named``: roles of which a problem is told
    already; ``trusted``: roles whose workers were asked themselves and say that they get on.
    """
    waits = [lag for lag in lags if lag.lag and lag.role not in named]
    if not waits:
        return []
    counts = members({GROUPS[lag.role] for lag in waits})
    alone = [lag for lag in waits if counts.get(GROUPS[lag.role]) == 0]
    rest = [lag for lag in waits if lag not in alone and lag.role not in trusted]
    still, seconds = _still(rest, look, still_s, watching, clock, sleep)
    found = [(lag, nobody_reads(GROUPS[lag.role])) for lag in alone]
    found += [(lag, nothing_committed(seconds)) for lag in still]
    problems: dict[tuple[str, str, str], dict[int, int]] = {}
    for lag, why in found:
        problems.setdefault((lag.role, lag.topic, why), {})[lag.partition] = lag.lag
    return [standing_still(role, topic, behind, why) for (role, topic, why), behind in problems.items()]


def _still(
    waits: list[PartitionLag],
    look: Callable[[], Iterable[PartitionLag]],
    still_s: float,
    watching: Callable[[str], object],
    clock: Callable[[], float],
    sleep: Callable[[float], object],
) -> tuple[list[PartitionLag], float]:
    """Those of ``waits`` of which nothing was committed, as they are now, and for how long (s) that was looked at."""
    began = clock()
    first: dict[Key, int | None] = {_key(lag): lag.committed for lag in waits}
    left = waits
    while left and clock() - began < still_s:
        roles = ", ".join(dict.fromkeys(lag.role for lag in left))
        watching(f"messages wait: whether {roles} reads them, {still_s:.0f} s at most")
        sleep(POLL_S)
        standing = {_key(lag) for lag in left}
        left = [lag for lag in look() if _key(lag) in standing and lag.lag and lag.committed == first[_key(lag)]]
    return left, clock() - began


def _key(lag: PartitionLag) -> Key:
    return lag.role, lag.topic, lag.partition
