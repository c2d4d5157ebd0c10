"""What became of every message of a run: four counts, each from its own source, that must add up.

======== ==================================================================================================
sent     end offsets of topic ``mentions`` at the broker, minus those when the run began
stored   distinct mention ids in ClickHouse, read FINAL, deleted ones included
repeats  the sender's own list: further messages of an id (the same again, edits, deletions)
dead     distinct origins of dead letters in ClickHouse
======== ==================================================================================================

``sent = stored + repeats + dead``, or something was lost or invented on the way.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from pipeline.embedded.pages import get
from pipeline.errors import InputError, Unaccounted

COUNTERS: Final = {
    "babelwatch_messages_in_total": "in",
    "babelwatch_messages_out_total": "out",
    "babelwatch_dead_letters_total": "dead",
    "babelwatch_retries_total": "retries",
}
"""Counter of a worker -> its key in ``by_stage``."""
_SINK_OUTCOMES: Final = "babelwatch_sink_mentions_total"


@dataclass(frozen=True)
class Counts:
    """The four numbers, of one run alone."""

    sent: int
    stored: int
    repeats: int
    dead: int

    @property
    def missing(self) -> int:
        """Messages that nothing accounts for; negative when there is more than was sent."""
        return self.sent - self.stored - self.repeats - self.dead

    def require_accounted(self) -> None:
        """Raise Unaccounted that says by how many and where to look."""
        if self.missing > 0:
            raise Unaccounted(
                f"{self.missing} of {self.sent} messages are not accounted for (stored {self.stored}, repeats "
                f"{self.repeats}, dead {self.dead}): see `babelwatch status` for lag, and the workers' logs"
            )
        if self.missing < 0:
            raise Unaccounted(
                f"{-self.missing} more messages came out than the {self.sent} sent (stored {self.stored}, repeats "
                f"{self.repeats}, dead {self.dead}): does something else send to this broker?"
            )


@dataclass(frozen=True)
class Report:
    """What a run did. Written as JSON by :meth:`write`, shown by :meth:`lines`."""

    counts: Counts
    by_stage: Mapping[str, Mapping[str, Any]]
    """Role -> messages in and out, dead letters, retries, and the sink's outcomes: since its worker started."""
    by_language: Mapping[str, Any]
    latency_ms: Mapping[str, Any]
    """Percentiles from produced (the broker's time) to visible in ClickHouse."""
    run: str
    seconds: float
    kinds: Mapping[str, int] = field(default_factory=dict)
    """The sender's own list by kind of message."""
    undrained: Mapping[str, int] = field(default_factory=dict)
    """Topic -> messages that were not processed when the drain's time was over."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values: the four counts first."""
        return {
            **asdict(self.counts),
            "missing": self.counts.missing,
            "by_stage": {role: dict(numbers) for role, numbers in self.by_stage.items()},
            "by_language": dict(self.by_language),
            "latency_ms": dict(self.latency_ms),
            "run": self.run,
            "seconds": round(self.seconds, 1),
            "kinds": dict(self.kinds),
            "undrained": dict(self.undrained),
        }

    def write(self, path: Path) -> None:
        """Write JSON. Raises InputError when the file cannot be written."""
        try:
            path.write_text(json.dumps(self.as_dict(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"the report cannot be written to {path}: {error.strerror}") from error

    def lines(self) -> Iterable[str]:
        """The report for people."""
        c = self.counts
        verdict = "every message is accounted for" if c.missing == 0 else f"NOT accounted for: {c.missing}"
        yield f"sent {c.sent:,} = stored {c.stored:,} + repeats {c.repeats:,} + dead {c.dead:,}: {verdict}"
        for role, numbers in self.by_stage.items():
            yield f"  {role:<10} " + "  ".join(f"{name} {value}" for name, value in numbers.items())
        if self.latency_ms:
            waits = "  ".join(f"{name} {_ms(value)}" for name, value in self.latency_ms.items())
            yield f"  from produced to visible: {waits}"
        shown = sorted(self.by_language.items(), key=lambda item: -_mentions(item[1]))
        yield "  languages: " + ", ".join(f"{tag} {_mentions(value):,}" for tag, value in shown)


def _ms(value: object) -> str:
    return f"{value:,.0f} ms" if isinstance(value, int | float) else "-"


def _mentions(value: Any) -> int:  # noqa: ANN401 - a count, or a table with one
    return int(value["mentions"]) if isinstance(value, Mapping) else int(value)


def check_writable(path: Path) -> None:
    """Raise InputError now rather than after the run when a report cannot be written there."""
    if path.is_dir():
        raise InputError(f"{path} is a folder: give --report the name of a file")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist: create it, or give --report another file")
    try:
        with path.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): give --report another file") from error


def stage_numbers(metrics: str) -> dict[str, Any]:
    """Counters of one worker from the text of its /metrics page. Retries and dead letters only where there are any."""
    numbers: dict[str, Any] = {"in": 0, "out": 0}
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            name = COUNTERS.get(sample.name)
            if name is not None:
                numbers[name] = numbers.get(name, 0) + int(sample.value)
            elif sample.name == _SINK_OUTCOMES and sample.value:
                numbers[sample.labels["outcome"]] = int(sample.value)
    return {name: value for name, value in numbers.items() if value or name in ("in", "out")}


def read_stage(address: str, timeout_s: float = 3.0) -> dict[str, Any]:
    """Counters of the worker at ``address`` (http://host:port); an ``error`` in their place when it does not answer."""
    try:
        return stage_numbers(get(f"{address.rstrip('/')}/metrics", timeout_s).decode("utf-8"))
    except (OSError, ValueError) as error:
        return {"error": f"no answer from {address}: {error}"}
