"""What the last look at the ledger means for whoever is on call, as JSON-ready values and in words."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Final

from pipeline.kafka.topics import MENTIONS
from pipeline.store.ledger import LedgerStore, Mark

STALE_S: Final = 120.0
"""A look is made every 15 s; one may wait for a stage that is behind, but not be forgotten."""
BEFORE_S: Final = 7 * 86_400.0
"""How long it is told what an earlier broker took along: as long as topic mentions is kept."""


def ledger_state(store: LedgerStore, incarnation: str | None) -> dict[str, Any]:
    """The marks of the broker's ``incarnation`` (None: it does not answer), and what the broker before took along.

    Raises what the store raises.
    """
    marks = [mark for mark in store.marks() if mark.topic == MENTIONS]
    now = [mark for mark in marks if mark.incarnation == incarnation]
    return {
        "partitions": [asdict(mark) for mark in now],
        "gap_offsets": sum(mark.missing - mark.unprovable for mark in now),
        "unprovable_offsets": sum(mark.unprovable for mark in now),
        "age_s": min((mark.age_s for mark in now), default=None),
        "broker_before": _before(store, (mark for mark in marks if mark.incarnation != incarnation), incarnation),
    }


def _before(store: LedgerStore, marks: Iterable[Mark], incarnation: str | None) -> dict[str, Any] | None:
    """What was in the last other broker when it was last looked at, and never ended."""
    others = [mark for mark in marks if mark.age_s < BEFORE_S]
    if not others or incarnation is None:
        return None
    name = min(others, key=lambda mark: mark.age_s).incarnation
    lost = 0
    for mark in others:
        if mark.incarnation == name:
            gaps = store.gaps(name, MENTIONS, mark.partition, mark.begin, mark.log_end)
            lost += sum(gap.offsets for gap in gaps)
    age = min(mark.age_s for mark in others)
    return {"incarnation": name, "lost": lost, "last_seen_s": age}


def ledger_problems(state: dict[str, Any]) -> list[str]:
    """What a person has to do something about."""
    found = []
    if gaps := state.get("gap_offsets"):
        where = ", ".join(f"{p['partition']}: from {p['proven']}" for p in state["partitions"] if p["missing"])
        found.append(
            f"ledger: {gaps:,} offsets of {MENTIONS} passed all stages and ended nowhere (partition {where}): "
            "`babelwatch reconcile --repair` reads them again"
        )
    age = state.get("age_s")
    if age is not None and age > STALE_S:
        found.append(f"ledger: no look was finished for {age:.0f} s: does a sink worker run, and does it get on?")
    return found


def ledger_warnings(state: dict[str, Any]) -> list[str]:
    """What a person should know, although nothing can be done."""
    found = []
    if lost := state.get("unprovable_offsets"):
        found.append(
            f"{lost:,} offsets of {MENTIONS} did not end and are gone from Kafka: nobody can say what became of them"
        )
    before = state.get("broker_before")
    if before and before["lost"]:
        found.append(
            f"the broker before ({before['incarnation'][:8]}) took {before['lost']:,} messages along that had not been "
            "stored: send them again, what was stored counts once"
        )
    return found
