"""What Faust's consumer knows about its group and offsets, read from another thread without disturbing it.

Faust publishes none of this for the asking (its readiness page always says OK), so this reads its internals; pinned
versions in pyproject.toml keep that honest, and tests/integration/test_agents_*.py run against them.
"""

from typing import Any

from agents.progress import Position

_NO_GENERATION = -1


def positions(app: Any) -> list[Position] | None:  # noqa: ANN401 - a Faust app, untyped here
    """Return the offsets of the assigned partitions, or None while the app is no member of its consumer group.

    ``end`` is the fetch high watermark: ListOffsets is wrong on the embedded broker.
    """
    faust_consumer = app._consumer
    consumer = faust_consumer._thread._consumer if faust_consumer is not None else None
    if consumer is None:
        return None
    coordinator = consumer._coordinator  # None while it starts
    if coordinator is None or coordinator.generation == _NO_GENERATION:
        return None
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    if assignment is None:
        return None
    committed = {(tp.topic, tp.partition): offset for tp, offset in list(faust_consumer._committed_offset.items())}
    found = []
    for tp in list(assignment.tps):
        state = assignment.state_value(tp)
        if state is not None:
            position = state._position if state.has_valid_position else None
            end = state.highwater
            done = committed.get((tp.topic, tp.partition))
            found.append(Position(tp.topic, tp.partition, done, end, position))
    return found
