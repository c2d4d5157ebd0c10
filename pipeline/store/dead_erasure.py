"""Takes what people wrote out of dead letters for good: a privacy request."""

import re
from collections.abc import Sequence
from typing import Final

from clickhouse_driver import Client

from pipeline.store.client import clear_errors
from schemas.events import Origin

ERASED: Final = "(erased)"
"""What stands in place of an erased letter's error, which may quote the message."""
AT_ONCE: Final = 500
"""Origins in one statement, which may have 256 KiB (``max_query_size``): an origin takes 60 to 350 bytes of it."""
WITHIN_S: Final = 900
"""How long one statement may take on all replicas. Nothing comes before its end: the client must wait as long."""

_DISTRIBUTED: Final = re.compile(r"Distributed\('([^']+)', '([^']+)', '([^']+)'")
_SETTINGS: Final = {
    "mutations_sync": 2,  # wait for all replicas
    "distributed_ddl_task_timeout": WITHIN_S,
}


def erase(client: Client, origins: Sequence[Origin]) -> None:
    """Overwrite bytes, key, headers and error of every stored version of ``origins``; the other facts stay.

    Returns when no replica has them in a part that is read. A newer row would only hide the older ones until some
    merge removes them, and a lightweight DELETE only marks rows; a mutation rewrites the parts, which is what
    ClickHouse says to use where data must be gone (https://clickhouse.com/docs/en/deletes). The files of the parts
    before it go after ``old_parts_lifetime`` (8 minutes by default). Doing it again is harmless.

    Raises ClickHouseUnavailable, and ClickHouseRefused when a right is missing, or with code 341 while a replica is
    away (that one erases when it is back).
    """
    with clear_errors(client):
        found = client.execute(
            "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = 'dead_letters'"
        )
        table = to_alter(found[0][0] if found else "")
        for begin in range(0, len(origins), AT_ONCE):
            places = tuple((o.incarnation, o.topic, o.partition, o.offset) for o in origins[begin : begin + AT_ONCE])
            client.execute(
                f"ALTER TABLE {table} UPDATE `key` = '', value = '', headers = [], error = %(erased)s "
                "WHERE (incarnation, topic, `partition`, `offset`) IN %(places)s",
                {"erased": ERASED, "places": places},
                settings=_SETTINGS,
            )


def to_alter(engine: str) -> str:
    """What to change where ``dead_letters`` has this ``engine_full``: behind a Distributed one, all its local tables.

    A Distributed table takes no mutations. The server is asked for the cluster because a command that is run by hand
    may lack the setting that the workers have.
    """
    spread = _DISTRIBUTED.match(engine)
    return "dead_letters" if spread is None else f"`{spread[2]}`.`{spread[3]}` ON CLUSTER '{spread[1]}'"
