"""ClickHouse's disk is full.

ClickHouse 26.9 (chdb-core) can finish a merge on a full disk with a part whose files are all empty. From then on every
read that meets the part fails (code 246). A restart at once brought the rows back (from the parts that were merged),
one 3 minutes later did not. So this fault is drawn only when it is asked for (``--only disk-full``), ClickHouse is
restarted when it left such a part, and the report says so.
"""

from typing import Final

from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from tests.chaos.faults.base import Fault
from tests.chaos.schedule import Planned
from tests.chaos.world import World

_BROKEN: Final = 246
_TABLES: Final = (
    *("mentions", "mention_locations", "judgements", "dead_letters"),
    *("rollup_recent", "rollup_minute", "rollup_hour"),
)


class DiskFull(Fault):
    name = "disk-full"
    what = "no byte is left on ClickHouse's disk"
    lasts = (3.0, 8.0)
    withheld = "ClickHouse 26.9 can lose rows of a merge on a full disk (docs/chaos.md); run it with --only disk-full"

    def available(self, world: World) -> str | None:
        return world.missing.get("disk")

    def targets(self, world: World) -> tuple[str, ...]:
        return ("clickhouse",)

    def holds(self, target: str) -> str:
        return target

    def start(self, world: World, planned: Planned) -> str:
        assert world.disk is not None
        world.disk.fill()
        return ""

    def end(self, world: World, planned: Planned) -> str:
        assert world.disk is not None
        world.disk.free()
        broken = _broken_tables(world.clickhouse.url)
        if not broken:
            return ""
        world.clickhouse.child.stop(30)
        world.clickhouse.start()
        return f"ClickHouse left an empty part in {', '.join(broken)}: restarted"


def _broken_tables(url: str) -> list[str]:
    """Tables that cannot be read since a part of theirs is broken."""
    broken = []
    client = Client.from_url(url)
    for table in _TABLES:
        try:
            client.execute(f"SELECT sum(ignore(*)) FROM {table}")
        except ServerException as error:
            if error.code != _BROKEN:
                raise
            broken.append(table)
    client.disconnect()
    return broken
