"""Waiting until the pipeline has finished what was sent into it."""

import time
from collections.abc import Callable
from typing import Final

from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.topics import GROUPS, INPUT_TOPICS
from pipeline.settings import Settings

POLL_S: Final = 0.1
_ANSWER_S: Final = 3.0


def left_by_topic(reader: OffsetReader) -> dict[str, int]:
    """Return topic -> messages that its role has not committed, in flow order; topics without any are left out.

    Nothing left means drained for good, if nobody sends any more: a role's input is read before its output, and what
    is committed was produced before. Raises BrokerUnavailable.
    """
    left = {}
    for role in GROUPS:
        for topic in INPUT_TOPICS[role]:
            if count := sum(partition.lag for partition in reader.lag_of(role, topic)):
                left[topic] = count
    return left


def drain(settings: Settings, timeout_s: float, *, giving_up: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Wait until nothing is left in any topic, at most ``timeout_s``; return what is (see :func:`left_by_topic`).

    Raises BrokerUnavailable when the broker does not say.
    """
    deadline = time.monotonic() + timeout_s
    with OffsetReader(settings, timeout_s=min(_ANSWER_S, max(timeout_s, 0.5))) as reader:
        while (left := left_by_topic(reader)) and time.monotonic() < deadline and not giving_up():
            time.sleep(POLL_S)
    return left
