"""How far a replay is, as it is kept in a file, and whether the same command still means that one."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct

from pipeline import durable
from pipeline.errors import InputError
from schemas.events import UtcTime

STALE: Final = timedelta(minutes=10)
"""``20s`` or ``7d`` mean another range at each moment. For so long the same command is taken to mean the replay that it
began; later, somebody who repeats it may as well want what was sent since, and is asked."""


class Part(Struct, frozen=True):
    """Offsets ``next`` to ``end`` (exclusive) of a partition are to be sent."""

    partition: int
    next: int
    end: int

    @property
    def left(self) -> int:
        """Offsets that are not sent yet."""
        return max(0, self.end - self.next)


class Progress(Struct, frozen=True, kw_only=True):
    """How far a replay is. The offsets hold for one broker only; what older builds did not write has a default."""

    incarnation: str
    topic: str
    generation: int
    total: int
    """Offsets at the beginning."""
    sent: int = 0
    parts: tuple[Part, ...]
    began: UtcTime
    since: str = ""
    """What ``--from`` meant when it began: a time, or ``offset N``; empty in the file of an older build."""
    until: str = ""
    """The same of ``--to``; empty: what was there when it began."""

    @property
    def left(self) -> int:
        """Offsets that are not sent yet."""
        return sum(part.left for part in self.parts)


def load(path: Path, incarnation: str) -> Progress | None:
    """What an earlier run left, or None. Raises InputError for a file of another broker, or one that is none.

    An older build did not write when a replay began: it is when its file was written.
    """
    try:
        written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        fields = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        found = msgspec.convert({"began": written} | fields, Progress)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise InputError(f"{path} cannot be read ({error}): remove it to begin anew, or use --restart") from None
    if found.incarnation != incarnation:
        raise InputError(
            f"{path} is of a replay on another broker ({found.incarnation[:8]}, this one is {incarnation[:8]}): its "
            "offsets mean nothing here; use --restart"
        )
    return found


def save(path: Path, progress: Progress) -> None:
    """Replace the file at once and durably: a crash leaves the old one or the new one. Raises InputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace_bytes(path, msgspec.json.encode(progress))
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror or error}: how far a replay is cannot be noted there; set BABELWATCH_DATA_DIR to "
            "a folder that can be written"
        ) from None


def remove(path: Path) -> None:
    """Remove the file where there is one. Raises InputError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be removed ({error.strerror or error}): remove it yourself") from None


def name(progress: Progress) -> str:
    """Which replay it is, in words."""
    which = f"the replay that began {progress.began.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if progress.since:
        which += f" (from {progress.since} to {progress.until or 'what was there then'})"
    return which


def require_current(progress: Progress, now: datetime, *, relative: bool, newest: int) -> None:
    """Raise InputError when the same command need not mean ``progress`` any more, or what it says would not hold.

    ``relative``: its range is counted from now. ``newest``: the greatest generation of what is stored.
    """
    choices = f"--resume goes on with {name(progress)}, {progress.left:,} offsets are left; --restart begins anew"
    if relative and now - progress.began > STALE:
        raise InputError(f"--from and --to count from now, and mean other messages than they did then: {choices}")
    why = outranked(progress, newest)
    if why:
        raise InputError(f"{why}: {choices}, and judges all of it anew")


def outranked(progress: Progress, newest: int) -> str:
    """Why a part of what this replay judges anew would not be kept; empty when all of it would."""
    if not progress.generation or newest <= progress.generation:
        return ""
    return (
        f"since this replay began, mentions were judged anew by `rescore` or another replay (generation {newest}, this "
        f"one is {progress.generation}), and those judgements stay"
    )


def parts_between(
    begins: dict[int, int], ends: dict[int, int], first: dict[int, int], last: dict[int, int]
) -> tuple[Part, ...]:
    """What lies between ``first`` and ``last`` (exclusive), cut to what is in the log; by partition, none empty."""
    found = []
    for partition, end in sorted(ends.items()):
        start = max(first.get(partition, end), begins.get(partition, 0))
        stop = min(last.get(partition, end), end)
        if start < stop:
            found.append(Part(partition, start, stop))
    return tuple(found)


def describe(progress: Progress) -> dict[str, Any]:
    """For scripts."""
    return {
        "topic": progress.topic,
        "began": progress.began.isoformat(timespec="milliseconds"),
        "offsets": progress.total,
        "sent": progress.sent,
        "left": progress.left,
        "generation": progress.generation,
    }
