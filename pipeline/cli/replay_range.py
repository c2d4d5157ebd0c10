"""The range of a replay as it is written on the command line: from one time or offset to another."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from pipeline.cli.dead import parse_since
from pipeline.errors import InputError
from pipeline.replay_state import Part, parts_between

DATES = "a date is written 2026-11-27, a time 2026-11-27T08:00"


@dataclass(frozen=True)
class Bound:
    """One end of a range: the same offset of every partition, or a moment."""

    option: str
    text: str
    at: int | datetime
    relative: bool = False
    """It is counted from now, so that it means something else each time."""

    @classmethod
    def parse(cls, text: str, now: datetime, option: str) -> Self:
        """Digits are an offset, all else a time as everywhere. Raises InputError."""
        if text.isascii() and text.isdigit() and len(text) < 19:
            return cls(option, text, int(text))
        moment = parse_since(text, now, option)
        later = parse_since(text, now + timedelta(seconds=1), option)
        try:
            return cls(option, text, moment.astimezone(UTC), relative=moment != later)
        except OverflowError:
            raise InputError(f"{option} {text} is outside years 1 to 9999 in UTC") from None

    def __str__(self) -> str:
        if isinstance(self.at, int):
            return f"offset {self.at}"
        return self.at.isoformat(sep=" ", timespec="seconds")

    def offsets(self, ends: dict[int, int], at: Callable[[int], dict[int, int]]) -> dict[int, int]:
        """Partition -> offset; ``at`` knows those of a moment in milliseconds since 1970."""
        return dict.fromkeys(ends, self.at) if isinstance(self.at, int) else at(int(self.at.timestamp() * 1000))


@dataclass(frozen=True)
class Span:
    """What is to be replayed. ``end`` None: what is there now."""

    begin: Bound
    end: Bound | None

    @classmethod
    def parse(cls, begin: str, end: str, now: datetime) -> Self:
        """Raises InputError for what is no range, or runs backwards."""
        span = cls(Bound.parse(begin, now, "--from"), Bound.parse(end, now, "--to") if end else None)
        first, last = span.begin.at, span.end.at if span.end else None
        if isinstance(first, int) and isinstance(last, int):
            backwards = first >= last
        else:
            backwards = isinstance(first, datetime) and isinstance(last, datetime) and first >= last
        if backwards:
            raise span.reversed()
        return span

    @property
    def relative(self) -> bool:
        """Whether the same words mean other messages at another time; an end that is not given does not count."""
        return self.begin.relative or (self.end is not None and self.end.relative)

    def parts(
        self, topic: str, begins: dict[int, int], ends: dict[int, int], at: Callable[[int], dict[int, int]]
    ) -> tuple[Part, ...]:
        """The offsets of each partition in ``ends``, cut to what the log has.

        ``begins`` and ``ends``: of the log; ``at``: see :meth:`Bound.offsets`. Raises InputError for what cannot be
        meant: an offset behind the log, a range that runs backwards.
        """
        for bound in (self.begin, self.end):
            # To end behind the log is clumsy, not wrong, unless it was to be a date.
            if bound is not None and (bound is self.begin or _is_date(bound.text)):
                _require_in_log(bound, topic, ends)
        first = self.begin.offsets(ends, at)
        last = self.end.offsets(ends, at) if self.end else ends
        if self.end and ends and all(first[partition] > last[partition] for partition in ends):
            raise self.reversed()
        return parts_between(begins, ends, first, last)

    def reversed(self) -> InputError:
        """The error for a range that runs backwards."""
        return InputError(
            f"--from {self.begin.text} ({self.begin}) is not before --to {self.end and self.end.text} ({self.end}): "
            "nothing lies between; --from is the older one"
        )


def _require_in_log(bound: Bound, topic: str, ends: dict[int, int]) -> None:
    longest = max(ends.values(), default=0)
    if isinstance(bound.at, int) and bound.at > longest:
        raise InputError(
            f"{bound.option} {bound.text} is taken for an offset, and {topic} ends at {longest:,} (its longest "
            f"partition): {DATES}"
        )


def _is_date(text: str) -> bool:
    """Whether it could be a day without dashes: ``20261127``."""
    try:
        datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return len(text) == 8
