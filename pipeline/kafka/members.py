"""How many members each consumer group has: whether anybody reads at all."""

import logging
from collections.abc import Iterable
from typing import Any, Final

from kafka.errors import KafkaError

from pipeline.kafka.admin import admin, kind
from pipeline.settings import Settings

log = logging.getLogger(__name__)

ANSWER_S: Final = 5.0
NONE: Final = frozenset({"Dead", "Empty"})
"""States of a group without members; a group that the broker does not know is Dead."""


def members(settings: Settings, groups: Iterable[str]) -> dict[str, int]:
    """Group -> members, within ``ANSWER_S``. Groups that cannot be asked about (no right to, an error) are left out.

    The embedded broker counts a member that was killed until the group forms anew.
    """
    try:
        with admin(settings, ANSWER_S) as client:
            # kafka-python insists on asking what we may do with the group, and cannot read the embedded broker's answer
            # to that (ValueError). It is not wanted here.
            client._process_acl_operations = lambda group: group
            found: dict[str, dict[str, Any]] = client.describe_groups(sorted(groups))
    except (KafkaError, OSError, ValueError) as error:
        log.info("groups of Kafka at %s cannot be described: %s", settings.kafka_brokers, kind(error))
        return {}
    return {
        name: len(group["members"])
        for name, group in found.items()
        if not group["error"] or group["group_state"] in NONE
    }
