"""Places of dead letters and times, as they are written on the command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pipeline.errors import InputError
from pipeline.terminal import printable
from schemas.events import Origin

_ORIGIN = re.compile(
    r"^(?P<topic>[A-Za-z0-9._-]{1,249})/(?P<partition>\d{1,9})/(?P<offset>\d{1,18})(@(?P<inc>.{1,64}))?$"
)
_AGO = re.compile(r"^(\d{1,9})\s*([smhdw])$")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Place(NamedTuple):
    """An ORIGIN as it is written on the command line."""

    topic: str
    partition: int
    offset: int
    incarnation: str
    """Beginning of the broker's incarnation, or empty for any."""


def parse_origin(text: str) -> Place:
    """``mentions/3/1842`` or ``mentions/3/1842@1f3b9c2d``. Raises InputError."""
    found = _ORIGIN.match(text)
    if found is None:
        raise InputError(
            f"{printable(text, 80)}: an origin is TOPIC/PARTITION/OFFSET, as `babelwatch dead list` shows it"
        )
    return Place(found["topic"], int(found["partition"]), int(found["offset"]), found["inc"] or "")


def format_origin(origin: Origin) -> str:
    """What :func:`parse_origin` reads; the incarnation by its first 8 characters."""
    return printable(f"{origin.topic}/{origin.partition}/{origin.offset}@{origin.incarnation[:8]}")


def parse_since(text: str, now: datetime, option: str = "--since") -> datetime:
    """``30m``, ``2h``, ``7d`` before ``now`` (s, m, h, d, w), or a time (no offset: UTC). Raises InputError."""
    ago = _AGO.match(text)
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise InputError(
            f"{option} {printable(text, 40)}: write 30m, 2h, 7d, or a time like 2026-01-31T12:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
