"""Partitions added to a topic that is in use: keys move, and whoever reads or writes has to find the new ones."""

from typing import Final

from kafka.admin import KafkaAdminClient

from tests.chaos.schedule import Planned
from tests.chaos.world import World

MOST: Final = 32
_TOPICS: Final = ("mentions", "mentions.detected", "mentions.scored", "mentions.dead")


class PartitionsAdded:
    """One to four more, up to 32 in all."""

    name = "partitions-added"
    what = "partitions added to a topic in use"
    lasts = (0.0, 0.0)
    withheld = ""

    def available(self, world: World) -> str | None:
        return None if world.broker.durable else "the embedded broker cannot add partitions"

    def targets(self, world: World) -> tuple[str, ...]:
        return _TOPICS

    def holds(self, target: str) -> str:
        return "broker"  # which has to be there

    def start(self, world: World, planned: Planned) -> str:
        admin = KafkaAdminClient(bootstrap_servers=world.broker.address, request_timeout_ms=20_000)
        try:
            [topic] = admin.describe_topics([planned.target])
            before = len(topic["partitions"])
            after = min(MOST, before + 1 + planned.seed % 4)
            if after > before:
                admin.create_partitions({planned.target: after})
            return f"{before} -> {after}"
        finally:
            admin.close()

    def end(self, world: World, planned: Planned) -> None:
        """They stay."""
