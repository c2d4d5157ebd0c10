"""For tests of a run over a file: an outlet held in memory, and lines to send."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.detect import Limits
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.sources.ingest import Ingest, Summary
from pipeline.sources.intake import Intake
from pipeline.sources.lines import open_input
from pipeline.sources.plan import Plan


class Memory:
    """Keeps what was confirmed; what was sent and never flushed is lost, as with a broker that goes away."""

    def __init__(self) -> None:
        self.open: list[tuple[bytes, bytes | None]] = []
        self.confirmed: list[tuple[bytes, bytes | None]] = []
        self.fail_after: int | None = None

    def send(self, event: bytes, *, key: bytes | None = None) -> None:
        if b"HUGE" in event:
            raise MessageTooLarge("too large for the topic")
        self.open.append((event, key))

    def flush(self, timeout_s: float | None = None) -> None:
        if self.fail_after is not None and len(self.confirmed) + len(self.open) > self.fail_after:
            raise BrokerUnavailable("Kafka at nowhere:1: gone")
        self.confirmed += self.open
        self.open = []

    def texts(self) -> list[str]:
        return [json.loads(value)["text"] for value, _ in self.confirmed]


class Stop:
    """Raises like Ctrl-C at one row."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def line(n: int, **more: Any) -> bytes:
    return (
        json.dumps({"id": str(n), "text": f"text {n}", "published_at": "2026-01-01T00:00:00Z"} | more).encode() + b"\n"
    )


def plan(path: Path, **more: Any) -> Plan:
    base = Plan(
        name=str(path),
        format="jsonl",
        source="forum",
        state=path.with_name("state"),
        rejects=path.with_name("rejects.jsonl"),
        incarnation="one",
    )
    return replace(base, **more)


def run(plan_: Plan, outlet: Memory | None, on_row: Callable[[], None] = lambda: None) -> Summary:
    stream, file = open_input(Path(plan_.name))
    with file:
        return Ingest(plan_, stream, Intake(Limits()), outlet).run(on_row)


def listed(path: Path) -> list[tuple[int, str]]:
    return [(e["line"], e["reason"]) for e in map(json.loads, path.with_name("rejects.jsonl").read_text().splitlines())]
