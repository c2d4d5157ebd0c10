"""Which model, with which decision rule, judges what is stored now."""

from typing import Final, NamedTuple

from pipeline.store.queries import READ, Executes


class Judge(NamedTuple):
    """A model and its rule, with what was switched on besides (``+...``); both are empty where nothing is stored."""

    model: str
    rule: str


NOBODY: Final = Judge("", "")


def newest_model(client: Executes, tenant: str, now: float) -> Judge:
    """Who judged the mention that was stored last, of those published in the last 24 hours.

    Bounded by the sorting key, as :func:`pipeline.store.queries.newest_stored`.
    """
    rows = client.execute(
        # A rescored mention has the same `stored_at` as the row that it replaces, and a greater truth.
        "SELECT count(), argMax(model, (stored_at, truth)), argMax(rule, (stored_at, truth)) FROM mentions"
        " WHERE tenant = %(tenant)s AND is_deleted = 0 AND published_at >= toDateTime(%(since)s, 'UTC')",
        {"tenant": tenant, "since": int(now) // 3600 * 3600 - 86400},
        settings=READ,
    )
    return Judge(str(rows[0][1]), str(rows[0][2])) if rows[0][0] else NOBODY
