"""How topics are configured: what the broker says, how long that keeps a message, and where it is not what we want."""

from collections.abc import Collection, Mapping
from typing import Final

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from pipeline.kafka.admin import admin, kind
from pipeline.kafka.client import unavailable
from pipeline.kafka.topics import Topic
from pipeline.settings import Settings

Config = Mapping[str, str]
_AT_LEAST: Final = "max.message.bytes"
"""More does no harm."""
_UNITS: Final = ((86_400_000, "day"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms"))


def read_configs(settings: Settings, names: Collection[str]) -> dict[str, Config]:
    """Name -> configuration in Kafka's words, defaults too; topics of which the broker tells nothing are left out.

    It tells nothing of topics that it has not, nor to a user without the right to describe their configs. Raises
    BrokerUnavailable.
    """
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    try:
        with admin(settings, settings.connect_timeout_s) as client:
            told = client.describe_configs(resources, config_filter="all").get("topic", {})
    except (KafkaError, OSError) as error:
        raise unavailable(settings, f"the topics' configuration cannot be read ({kind(error)})") from error
    return {
        name: {key: str(one["value"]) for key, one in entries.items() if one["value"] is not None}
        for name, entries in told.items()
        if entries
    }


def kept(config: Config) -> str:
    """How long a message stays, in words: ``7 days``, ``7 days or 1,073,741,824 bytes a partition``, ``for ever``."""
    policy = config.get("cleanup.policy", "delete")
    limits = []
    if int(config.get("retention.ms", -1)) >= 0:
        limits.append(duration(int(config["retention.ms"])))
    if int(config.get("retention.bytes", -1)) >= 0:
        limits.append(f"{int(config['retention.bytes']):,} bytes a partition")
    time = " or ".join(limits) if limits and "delete" in policy else "for ever"
    return f"{time} (the last of each key)" if "compact" in policy else time


def differences(topic: Topic, config: Config) -> dict[str, tuple[str, str]]:
    """What is not as it should be: key -> (what it is, what is wanted). What the broker does not tell is left out.

    A limit by size, where there is one, removes messages before their time.
    """
    wanted = {"retention.bytes": "-1", **topic.config()}
    if topic.compact:
        del wanted["retention.ms"], wanted["retention.bytes"]  # nothing is removed by age or size
    found = {}
    for key, value in wanted.items():
        there = config.get(key, value)
        if there != value and not (key == _AT_LEAST and int(there) > int(value)):
            found[key] = (there, value)
    return found


def duration(milliseconds: int) -> str:
    """In the largest unit that divides it: ``7 days``, ``1 day``, ``36 h``, ``90 min``."""
    size, unit = next(((size, unit) for size, unit in _UNITS if milliseconds % size == 0), _UNITS[-1])
    number = milliseconds // size
    return f"{number:,} {unit}{'s' if unit == 'day' and number != 1 else ''}"
