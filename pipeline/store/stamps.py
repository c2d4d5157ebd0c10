"""Versions of rows by time that never go back, also when ClickHouse's clock does."""

from clickhouse_driver import Client

_MS_NS = 1_000_000


def next_stamp(client: Client, table: str, column: str) -> int:
    """Milliseconds since 1970 for ``column`` of rows that are written to ``table`` now: they win over all stored ones.

    The server's clock, or the millisecond after the greatest stamp that is stored: where the clock is not beyond that
    one it was set back, and what is new would lose until it has caught up. Raises the driver's errors.
    """
    ((clock_ns, newest_ms),) = client.execute(
        f"SELECT toUnixTimestamp64Nano(now64(9)), toUnixTimestamp64Milli(max({column})) FROM {table}"  # noqa: S608
    )
    return max(int(clock_ns) // _MS_NS, int(newest_ms) + 1)
