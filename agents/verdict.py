"""What is wrong with a worker, and whether that is its own: the verdict behind /health. Pure: facts in, words out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from agents.progress import Progress

STARTING: Final = "start"
EVENT_LOOP: Final = "event_loop"
MONITOR: Final = "monitor"
GROUP: Final = "consumer_group"
STALLED: Final = "stalled"
BEYOND: Final = "beyond_log"


@dataclass(frozen=True)
class HealthPolicy:
    """When a worker whose services answer counts as ill all the same. Whoever watches has to know within 30 s, so each
    time leaves some seconds for a sample (1 s), a look of the supervisor (2 s) and the page (6 s).

    ``loop_s``: the event loop did not turn; it turns twice a second. ``sample_s``: offsets could not be read.
    ``stalled_s``: messages wait and the committed offset has not moved. Above a rebalance after another worker was
    killed (session timeout 10 s, and some seconds to join) and a large batch on a busy machine (5 s).
    ``adrift_s``: not a member of its consumer group. Above two session timeouts.
    """

    loop_s: float = 8.0
    sample_s: float = 8.0
    stalled_s: float = 20.0
    adrift_s: float = 22.0


@dataclass(frozen=True)
class Facts:
    """What the monitor knows at one moment; all in seconds, on its clock."""

    now: float
    started_at: float
    beat_at: float | None
    """None until the event loop has turned for the first time: until then the worker starts."""
    sampled_at: float
    member_at: float | None
    """When it last was a member of its group; None while it is one."""
    outside_at: float
    """When a service last was away, or kept the worker waiting: what is ill only since then is not the worker's own."""
    waits_for: str
    progress: Sequence[Progress]
    sample_error: str


@dataclass(frozen=True)
class Illness:
    """One thing that is wrong with the worker itself. ``own_age_s``: for how long no service can be to blame."""

    what: str
    says: str
    own_age_s: float


def illnesses(facts: Facts, policy: HealthPolicy) -> list[Illness]:
    """Return what is wrong beside its dependencies; empty when the worker gets on."""

    def own(since: float) -> float:
        return max(0.0, facts.now - max(since, facts.outside_at))

    now = facts.now
    if facts.beat_at is None:
        # It waits for its services, or loads its model: no loop turns yet, and it is no member of anything.
        says = f"starting for {now - facts.started_at:.0f} s"
        return [Illness(STARTING, says, own(facts.started_at))]
    found = []
    if now - facts.beat_at > policy.loop_s:
        # Never the fault of a service: nothing may wait for one in the event loop.
        age = now - facts.beat_at
        found.append(Illness(EVENT_LOOP, f"event loop: blocked for {age:.0f} s", age))
    if now - facts.sampled_at > policy.sample_s:
        says = f"monitor: no offsets read for {now - facts.sampled_at:.0f} s ({facts.sample_error or 'it hangs'})"
        found.append(Illness(MONITOR, says, own(facts.sampled_at)))
    if facts.member_at is not None and now - facts.member_at > policy.adrift_s:
        says = f"consumer group: no member for {now - facts.member_at:.0f} s"
        found.append(Illness(GROUP, says, own(facts.member_at)))
    for p in facts.progress:
        if p.committed is not None and p.end is not None and p.committed > p.end:
            says = (
                f"{p.topic}/{p.partition}: offset {p.committed} is committed, beyond the log's end {p.end}, so nothing "
                "is read until there (another log than before? stop the workers and restart the broker, or reset "
                "offsets)"
            )
            # The log's fault: a worker that is started again finds the same.
            found.append(Illness(BEYOND, says, 0.0))
    waits = f" (waits for {facts.waits_for})" if facts.waits_for else ""
    for p in facts.progress:
        if p.age_s > policy.stalled_s:
            says = (
                f"{p.topic}/{p.partition}: {p.lag} messages wait and nothing was committed for {p.age_s:.0f} s{waits}"
            )
            found.append(Illness(STALLED, says, own(now - p.age_s)))
    return found
