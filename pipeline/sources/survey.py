"""A file looked through before anything of it is sent: how much, from when to when, and what would be refused."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO, Final

from pipeline.detect import Limits
from pipeline.kafka.topics import MAX_MESSAGE_BYTES
from pipeline.sources.intake import Intake
from pipeline.sources.lines import read_lines
from pipeline.sources.plan import Plan, json_rows, read_header
from pipeline.sources.rejects import Rejects
from schemas.events import EventError

_ANY_AGE: Final = timedelta(days=365 * 1900)
_ANY_FUTURE: Final = timedelta(days=365 * 7000)
"""Bounds that only dates outside years 1 to 9999 (in UTC) exceed: what cannot be told in UTC is refused by them."""


@dataclass
class Survey:
    """What a file holds, in rows."""

    good: int = 0
    blank: int = 0
    invalid: int = 0
    """Not acceptable for another reason than its time; these go to the rejects when the file is sent."""
    too_old: int = 0
    in_the_future: int = 0
    first: datetime | None = None
    """UTC, of valid rows, those out of range included."""
    last: datetime | None = None

    @property
    def rows(self) -> int:
        """All of them."""
        return self.good + self.blank + self.invalid + self.out_of_range

    @property
    def out_of_range(self) -> int:
        """Rows that are refused for their time alone."""
        return self.too_old + self.in_the_future


def survey(
    plan: Plan,
    stream: BinaryIO,
    limits: Limits,
    listed: Rejects,
    *,
    invalid: Rejects | None = None,
    now: datetime | None = None,
    on_row: Callable[[], None] = lambda: None,
) -> Survey:
    """Read ``stream`` (at its start) to its end by the code that sends it, and send nothing.

    Rows whose time the workers would refuse at ``now`` go to ``listed``, with their line; those that are not valid for
    another reason to ``invalid``, where it is given (sending lists them anyway). Raises InputError for damaged input.
    """
    now = now or datetime.now(UTC)
    intake = Intake(Limits(limits.max_text_chars, _ANY_AGE, _ANY_FUTURE))
    found = Survey()
    header, table = read_header(plan, stream)
    start, number = (header.end, header.number) if header else (0, 0)
    lines = read_lines(stream, limit=MAX_MESSAGE_BYTES, start=start, number=number)
    for row in table.rows(lines) if table else json_rows(lines):
        on_row()
        if row.event == b"":
            found.blank += 1
            continue
        try:
            if isinstance(row.event, EventError):
                raise row.event
            moment = intake.check(row.event, default_source=plan.source, now=now).at
            found.first = min(found.first or moment, moment)
            found.last = max(found.last or moment, moment)
            limits.check("its time", moment, now)
            found.good += 1
        except EventError as error:
            if error.reason not in ("too_old", "in_the_future"):
                found.invalid += 1
                if invalid is not None:
                    invalid.add(row.first.number, row.last.number, error, row.raw)
                continue
            setattr(found, error.reason, getattr(found, error.reason) + 1)
            listed.add(row.first.number, row.last.number, error, row.raw)
    listed.flush()
    return found


def describe(found: Survey) -> str:
    """The survey in one line."""
    counts = [f"{found.rows:,} rows", f"{found.good:,} can be sent"]
    for number, what in (
        (found.too_old, "too old"),
        (found.in_the_future, "in the future"),
        (found.invalid, "not valid"),
        (found.blank, "blank"),
    ):
        if number:
            counts.append(f"{number:,} {what}")
    dates = f"; from {_day(found.first)} to {_day(found.last)}" if found.first and found.last else ""
    return ", ".join(counts) + dates


def as_fields(found: Survey) -> dict[str, object]:
    """The survey for JSON; times in RFC 3339, UTC."""
    fields: dict[str, object] = {"rows": found.rows, **asdict(found)}
    for name, moment in (("first", found.first), ("last", found.last)):
        fields[name] = moment and moment.astimezone(UTC).isoformat()
    return fields


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
