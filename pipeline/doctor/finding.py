"""What a check found."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import BabelwatchError


class Level(StrEnum):
    """How bad it is. ``skip``: there is nothing to check here."""

    OK = "ok"
    SKIP = "skip"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report. ``remedy`` says what to do; empty when nothing has to be done."""

    check: str
    level: Level
    found: str
    remedy: str = ""


Check = Callable[[], Iterable[Finding]]


def run_checks(checks: Iterable[tuple[str, Check]]) -> Iterator[Finding]:
    """Run the checks in order. One that breaks is a failure of its own, and the rest still run."""
    for name, check in checks:
        try:
            yield from check()
        except BabelwatchError as error:
            yield Finding(name, Level.FAIL, str(error))
        except Exception as error:
            yield Finding(
                name, Level.FAIL, f"the check itself broke: {type(error).__name__}: {error}", "please report this"
            )


def ok(check: str, found: str) -> Finding:
    """Fine."""
    return Finding(check, Level.OK, found)


def skip(check: str, found: str) -> Finding:
    """Nothing to check."""
    return Finding(check, Level.SKIP, found)


def warn(check: str, found: str, remedy: str) -> Finding:
    """Works, and may not for long."""
    return Finding(check, Level.WARN, found, remedy)


def fail(check: str, found: str, remedy: str) -> Finding:
    """Does not work."""
    return Finding(check, Level.FAIL, found, remedy)
