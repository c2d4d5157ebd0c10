"""Which time stamps of records are believed: the same at a first delivery and at every one after it."""

from datetime import UTC, datetime
from typing import Final

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: an older record timestamp is a producer's mistake (0, -1, seconds for milliseconds), not a time."""
LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01: the same from above (nanoseconds for milliseconds)."""


def moment_of(timestamp_ms: int | None) -> datetime | None:
    """The moment of a record's stamp (milliseconds since 1970); None where it is missing or cannot be one."""
    if timestamp_ms is None or not EARLIEST_MS <= timestamp_ms <= LATEST_MS:
        return None
    return datetime.fromtimestamp(timestamp_ms / 1000, UTC)
