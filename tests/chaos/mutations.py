"""Defects put into a worker on purpose: each must be found by the checker, or the harness proves nothing.

They replace functions of the product in the worker's process (:mod:`tests.chaos.worker`), never in its code.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.chaos.findings import Finding

HELD_S: Final = 2.0
"""How long the write-behind of ``acknowledge-early`` holds a batch that is acknowledged already."""
IN_HAND_S: Final = 0.5
"""How long ``skip-at-shutdown`` has a batch in hand before its work begins."""


@dataclass(frozen=True)
class Mutation:
    """``apply(role, one_in)`` spoils this process. ``faults`` bring it out; none: it shows by itself."""

    what: str
    apply: Callable[[str, int], None]
    shows: tuple[str, ...]
    """How one of the findings must begin."""
    faults: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(fault, its targets)."""

    def found_in(self, findings: Iterable[Finding]) -> bool:
        """True when the checker says what this mutation does, and not only that something else is odd."""
        return any(finding.what.startswith(self.shows) for finding in findings)


def _put(owner: object, name: str, instead: object) -> None:
    setattr(owner, name, instead)


def _acknowledge_early(role: str, one_in: int) -> None:
    """The sink returns at once and inserts two seconds later."""
    from agents.sink import SinkStage

    insert = SinkStage.handle
    behind: set[asyncio.Task[None]] = set()

    async def later(stage: SinkStage, batch: Sequence[Any]) -> None:
        await asyncio.sleep(HELD_S)
        await insert(stage, batch)

    async def handle(stage: SinkStage, batch: Sequence[Any]) -> None:
        task = asyncio.ensure_future(later(stage, batch))
        behind.add(task)
        task.add_done_callback(behind.discard)

    _put(SinkStage, "handle", handle)


def _drop(role: str, one_in: int) -> None:
    """The language stage loses one message in so many."""
    from agents.language import LanguageStage

    whole = LanguageStage.handle

    async def handle(stage: LanguageStage, batch: Sequence[Any]) -> None:
        def lost(value: bytes) -> bool:
            return int.from_bytes(hashlib.blake2b(value, digest_size=8).digest(), "big") % one_in == 0

        await whole(stage, [message for message in batch if not lost(message.value)])

    _put(LanguageStage, "handle", handle)


def _add_up(role: str, one_in: int) -> None:
    """The minutes are not recomputed: what a batch brings is added to what is there."""
    from pipeline.store import mentions, rollups
    from pipeline.store.rows import brands_of, judgement_of
    from schemas.events import ScoredMention

    whole, coarse = mentions.MentionStore._write, rollups.recount_coarse

    def without_minutes(*arguments: Any) -> list[Any]:
        return [recount for recount in coarse(*arguments) if recount.rollup.table != "rollup_minute"]

    def write(store: Any, items: Sequence[Any]) -> Any:
        outcome = whole(store, items)
        added: Counter[tuple[str, int, str, str]] = Counter()
        for item in items:
            if isinstance(item.event, ScoredMention):
                for brand in ("", *brands_of(item.event)):
                    minute = item.place // 60_000 * 60
                    added[item.event.tenant, minute, brand, judgement_of(item.event).label] += 1
        rows = [{"t": t, "m": m, "b": b, "l": label, "n": n} for (t, m, b, label), n in added.items()]
        names = [("t", "String"), ("m", "Int64"), ("b", "String"), ("l", "String"), ("n", "UInt64")]
        store._client.execute(
            "INSERT INTO rollup_minute (tenant, minute, brand, label, mentions, computed_at) "
            "SELECT a.t, fromUnixTimestamp64Second(a.m, 'UTC'), a.b, a.l, a.n + r.mentions, "
            "toUnixTimestamp64Nano(now64(9)) FROM added AS a LEFT JOIN (SELECT tenant, toUnixTimestamp(minute) AS m, "
            "brand, toString(label) AS l, mentions FROM rollup_minute FINAL) AS r "
            "ON a.t = r.tenant AND a.m = r.m AND a.b = r.brand AND a.l = r.l",
            external_tables=[{"name": "added", "structure": names, "data": rows}],
        )
        return outcome

    _put(mentions, "recount_coarse", without_minutes)
    _put(mentions.MentionStore, "_write", write)


def _skip_at_shutdown(role: str, one_in: int) -> None:
    """What is in hand when the worker is told to stop is acknowledged without being done.

    Each batch is in hand for a while: on a quick machine a stop would meet an idle worker.
    """
    from agents.stage import StageLoop

    whole = StageLoop.process

    async def process(loop: StageLoop, events: Sequence[Any]) -> None:
        await asyncio.sleep(IN_HAND_S)
        if not loop._control.stopping:
            await whole(loop, events)
        else:
            for event in events:
                event.ack()

    _put(StageLoop, "process", process)


def _swallow(role: str, one_in: int) -> None:
    """An error of ClickHouse is taken for success."""
    from agents.sink import Store

    async def write(store: Any, rows: Sequence[Any]) -> Any:
        try:
            return ([await store._in_time(rows)] if rows else []), []
        except Exception:
            return [], []

    _put(Store, "write", write)


def _identity_of_the_message(role: str, one_in: int) -> None:
    """A mention is known by where it came from, not by its id: everything that is sent again counts again."""
    import pipeline.detect

    whole = pipeline.detect.Detector.accept

    def accept(detector: Any, decoded: Any, raw: bytes, origin: Any, received_at: Any) -> Any:
        event = whole(detector, decoded, raw, origin, received_at)
        place = f"{origin.partition}/{origin.offset}".encode()
        event.mention_id = hashlib.blake2b(place, digest_size=16).hexdigest()
        return event

    _put(pipeline.detect.Detector, "accept", accept)


def _time_of_arrival(role: str, one_in: int) -> None:
    """A mention falls into the window in which it arrived, not into that of its own time."""
    import msgspec

    import pipeline.detect

    whole = pipeline.detect.Detector._mention

    def mention(detector: Any, event: Any, origin: Any, received_at: Any) -> Any:
        return msgspec.structs.replace(whole(detector, event, origin, received_at), published_at=received_at)

    _put(pipeline.detect.Detector, "_mention", mention)


def _forget_poison(role: str, one_in: int) -> None:
    """What cannot be processed is acknowledged and not put anywhere."""
    from agents.outbox import Outbox

    whole = Outbox.deliver

    async def deliver(outbox: Outbox, records: Sequence[Any]) -> None:
        await whole(outbox, [record for record in records if record.topic != "mentions.dead"])

    if role == "language":
        _put(Outbox, "deliver", deliver)


_LOST: Final = ("lost", "an old revision", "deleted and still counted", "poison that is no dead letter")
"""What the loss of one message shows as, by what it said."""

MUTATIONS: Final[dict[str, Mutation]] = {
    "acknowledge-early": Mutation(
        "acknowledge before the insert", _acknowledge_early, _LOST, (("kill-worker", ("sink-1",)),)
    ),
    "drop": Mutation("drop one message in 500 (in 10,000 where 30,000 are sent)", _drop, _LOST),
    "add-up": Mutation(
        "count minutes by adding, not by recomputing", _add_up, ("wrong window or brand in rollup_minute",)
    ),
    "skip-at-shutdown": Mutation(
        "skip the last batch at shutdown",
        _skip_at_shutdown,
        _LOST,
        (("term-worker", ("language-1", "sentiment-1", "sink-1")),),
    ),
    "swallow": Mutation("swallow an exception of ClickHouse", _swallow, _LOST, (("clickhouse-kill", ("clickhouse",)),)),
    "identity": Mutation(
        "know a mention by its offset, so that repeats count again",
        _identity_of_the_message,
        ("a mention that nobody sent", "doubled"),
    ),
    "time-of-arrival": Mutation("count by time of arrival", _time_of_arrival, ("wrong time",)),
    "forget-poison": Mutation(
        "acknowledge poison without a dead letter", _forget_poison, ("poison that is no dead letter",)
    ),
}
