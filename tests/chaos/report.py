"""The report of a run: JSON for machines, Markdown for people."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.checker import Verdict
from tests.chaos.director import Happened
from tests.chaos.faults import FAULTS
from tests.chaos.findings import Finding
from tests.chaos.form import Form
from tests.chaos.loss import Loss


@dataclass
class Report:
    """Everything that a run has to say. Durations in seconds."""

    form: Form
    began_at: str
    machine: str
    not_run: dict[str, str] = field(default_factory=dict)
    """Fault -> why it was not run."""
    faults: list[Happened] = field(default_factory=list)
    ends: dict[str, int] = field(default_factory=dict)
    """How workers ended -> times."""
    restarts: int = 0
    sent_again: int = 0
    """Messages that a producer had to send again because they were not confirmed."""
    stream_s: float = 0.0
    """From the first message until everything was processed."""
    total_s: float = 0.0
    verdict: Verdict | None = None
    loss: Loss | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Messages per second, faults included."""
        return self.form.mentions / self.stream_s if self.stream_s else 0.0

    def write(self, folder: Path, name: str) -> Path:
        """Write ``name``.json and ``name``.md into ``folder``; returns the latter."""
        folder.mkdir(parents=True, exist_ok=True)
        data = dataclasses.asdict(self) | {"messages_per_s": round(self.per_s, 1)}
        (folder / f"{name}.json").write_text(json.dumps(data, indent=1, default=str) + "\n", encoding="utf-8")
        page = folder / f"{name}.md"
        page.write_text(self.markdown(), encoding="utf-8")
        return page

    def markdown(self) -> str:
        """The report as a page."""
        form = self.form
        lines = [f"# Chaos: {form.broker}, {form.mentions:,} messages, {len(self.faults)} faults, seed {form.seed}", ""]
        judge = (
            "the deterministic judge (tests/chaos/judge.py)" if form.judge == "deterministic" else "the shipped model"
        )
        facts = {
            "outcome": self.outcome,
            "began": self.began_at,
            "machine": self.machine,
            "judge": judge,
            "workers of each role": form.workers,
            "mutation": form.mutation or "none",
            "workers ended": ", ".join(f"{how}: {n}" for how, n in sorted(self.ends.items())) or "none",
            "workers started again": self.restarts,
            "messages that a producer sent again": self.sent_again,
            "from the first message until all was processed": f"{self.stream_s:.0f} s, {self.per_s:.0f} messages/s",
            "the whole run with its checks": f"{self.total_s:.0f} s",
        }
        lines += _table(("", ""), facts.items())
        if self.verdict is not None:
            lines += ["## Counts", "", *_table(("", ""), _counts(self.verdict))]
        lines += ["## Findings", ""]
        lines += [f"- **{f.what}**: {f.count}. {f.example}" for f in self.findings] or ["None."]
        if self.loss is not None:
            lines += ["", "## The embedded broker killed", "", _told(self.loss)]
        lines += ["", "## Faults", ""]
        head = ("after s", "until s", "at message", "fault", "target", "detail")
        lines += _table(head, (_row(happened) for happened in sorted(self.faults, key=lambda h: h.began)))
        lines += ["## Faults that were not run", ""]
        lines += _table(("fault", "what", "why"), ((n, FAULTS[n].what, why) for n, why in self.not_run.items()))
        return "\n".join(lines) + "\n"

    @property
    def outcome(self) -> str:
        """In one line."""
        if self.findings:
            return f"{len(self.findings)} findings: " + ", ".join(f"{f.what} ({f.count})" for f in self.findings)
        return "0 lost, 0 doubled, every count equal to a recount from the input file"


def _counts(verdict: Verdict) -> list[tuple[str, Any]]:
    return [
        ("messages sent", verdict.sent),
        ("records in topic mentions", verdict.in_log),
        ("distinct mentions stored", verdict.stored),
        ("of them not deleted", verdict.alive),
        ("repeats, edits and deletions", verdict.repeats),
        ("dead letters", verdict.dead),
        *((f"cells of {name} compared", cells) for name, cells in verdict.cells.items()),
        ("kinds of messages", ", ".join(f"{kind} {n}" for kind, n in sorted(verdict.kinds.items()))),
    ]


def _told(loss: Loss) -> str:
    return (
        f"{loss.before} mentions were confirmed when it was killed: {loss.before_stored} of them are stored, "
        f"{loss.before - loss.before_stored} were in its memory only and are lost. {loss.noticed} of {loss.workers} "
        f"workers noticed and ended (exit code 9). Of {loss.after} mentions sent to the broker after it, "
        f"{loss.after_stored} are stored." + "".join(f"\n- {text}" for text in loss.said)
    )


def _row(happened: Happened) -> tuple[Any, ...]:
    planned = happened.planned
    detail = f"{happened.detail} {happened.error}".strip()
    return (happened.began, happened.ended, planned.at, planned.fault, planned.target, detail)


def _table(head: tuple[str, ...], rows: Any) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(str(cell).replace('|', '/').replace(chr(10), ' ') for cell in row)} |" for row in rows]
    return [*lines, ""]
