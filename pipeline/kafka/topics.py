"""The topics: names, keys, retention. Consumer-group names never change, or every mention would be read again."""

from dataclasses import dataclass

MENTIONS = "mentions"
DETECTED = "mentions.detected"
SCORED = "mentions.scored"
DEAD = "mentions.dead"
INCARNATION = "babelwatch.incarnation"
MODEL = "babelwatch.model"
"""Which sentiment model all workers shall serve: the last record is the choice."""
SERVING = "babelwatch.serving"
"""Which model each sentiment worker serves, said by itself every few seconds."""

GROUPS = {"language": "babelwatch-language", "sentiment": "babelwatch-sentiment", "sink": "babelwatch-sink"}
"""Role -> consumer group (and Faust app id)."""

INPUT_TOPICS = {"language": (MENTIONS,), "sentiment": (DETECTED,), "sink": (SCORED, DEAD)}
"""Role -> topics that it consumes."""

MAX_MESSAGE_BYTES = 1 << 20
"""Largest message of the mention topics (Kafka's own default)."""
ROOM_TO_COME_AGAIN = 16 << 10
"""What topic mentions takes beyond that: a record of the largest size is sent again with a header that says so."""
MAX_DEAD_BYTES = 4 << 20
"""A dead letter is the original plus its facts, so its topic must take more than any source topic."""

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Topic:
    """One topic as it is created. ``retention_ms`` -1 keeps for ever; ``partitions`` None is the setting's number."""

    name: str
    retention_ms: int
    max_message_bytes: int
    partitions: int | None = None
    compact: bool = False
    """The last record of each key is kept for ever, whatever ``retention_ms`` says."""
    segment_ms: int | None = None
    """Retention removes whole segments only: a small topic needs them shorter than the broker's week."""
    broker_time: bool = False
    """Records are stamped by the broker's clock. Else the stamp is that of the producer's machine, and one whose clock
    is ahead would pass every bound that counts from when a message was received, and outlive retention."""

    def config(self) -> dict[str, str]:
        """Its configuration in Kafka's names, as it is created."""
        return {
            "cleanup.policy": "compact" if self.compact else "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
            # Neither a small incarnation topic nor a dead letter may go because a size limit of the broker says so.
            **({"retention.bytes": "-1"} if self.retention_ms < 0 else {}),
            **({"segment.ms": str(self.segment_ms)} if self.segment_ms else {}),
            **({"message.timestamp.type": "LogAppendTime"} if self.broker_time else {}),
        }


TOPICS = (
    Topic(MENTIONS, 7 * DAY_MS, MAX_MESSAGE_BYTES + ROOM_TO_COME_AGAIN, broker_time=True),
    Topic(DETECTED, 2 * DAY_MS, MAX_MESSAGE_BYTES * 2),
    Topic(SCORED, 2 * DAY_MS, MAX_MESSAGE_BYTES * 2),
    Topic(DEAD, 30 * DAY_MS, MAX_DEAD_BYTES),
    Topic(INCARNATION, -1, MAX_MESSAGE_BYTES, partitions=1),
    Topic(MODEL, -1, MAX_MESSAGE_BYTES, partitions=1, compact=True),
    Topic(SERVING, DAY_MS, MAX_MESSAGE_BYTES, partitions=1, segment_ms=DAY_MS // 24),
)
