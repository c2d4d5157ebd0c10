"""How long a topic keeps a message, in words, and where it is not as it should be: from what a broker says."""

import pytest

from pipeline.kafka.configs import differences, duration, kept
from pipeline.kafka.topics import DAY_MS, INCARNATION, MENTIONS, MODEL, TOPICS

BY_NAME = {topic.name: topic for topic in TOPICS}


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (7 * DAY_MS, "7 days"),
        (DAY_MS, "1 day"),
        (36 * 3_600_000, "36 h"),
        (3_600_000, "1 h"),
        (90 * 60_000, "90 min"),
        (1500, "1,500 ms"),
    ],
)
def test_durations(milliseconds: int, words: str) -> None:
    assert duration(milliseconds) == words


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"retention.ms": "3600000"}, "1 h"),
        ({"retention.ms": "-1", "cleanup.policy": "delete"}, "for ever"),
        ({"retention.ms": "86400000", "retention.bytes": "1000000"}, "1 day or 1,000,000 bytes a partition"),
        ({"retention.ms": "-1", "retention.bytes": "5"}, "5 bytes a partition"),
        ({"retention.ms": "86400000", "cleanup.policy": "compact"}, "for ever (the last of each key)"),
        ({"retention.ms": "86400000", "cleanup.policy": "compact,delete"}, "1 day (the last of each key)"),
    ],
)
def test_how_long_it_keeps(config: dict[str, str], words: str) -> None:
    assert kept(config) == words


def test_topics_as_they_are_created_do_not_differ() -> None:
    for topic in TOPICS:
        assert differences(topic, topic.config()) == {}
        assert differences(topic, {}) == {}, "what the broker does not tell cannot be judged"


def test_what_differs_is_told_unless_it_is_more_room() -> None:
    mentions = BY_NAME[MENTIONS]
    told = {
        "retention.ms": "3600000",
        "retention.bytes": "1000",
        "cleanup.policy": "compact",
        "max.message.bytes": "9000000",
        "message.timestamp.type": "CreateTime",
    }
    assert differences(mentions, told) == {
        "retention.ms": ("3600000", str(7 * DAY_MS)),
        "retention.bytes": ("1000", "-1"),
        "cleanup.policy": ("compact", "delete"),
        "message.timestamp.type": ("CreateTime", "LogAppendTime"),
    }
    assert "max.message.bytes" in differences(mentions, {"max.message.bytes": "1000"})
    assert differences(BY_NAME[INCARNATION], {"retention.ms": "604800000"})
    assert differences(BY_NAME[MODEL], {"cleanup.policy": "compact", "retention.ms": "604800000"}) == {}
