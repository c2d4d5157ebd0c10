"""Results of a benchmark: a JSON file with the machine it ran on, and a table."""

import json
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

RESULTS = Path(__file__).parent / "results"


def machine() -> dict[str, Any]:
    """What the figures depend on. A load near or above the number of cores means that others were measuring too."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write(name: str, quick: bool, seconds: float, facts: dict[str, Any], figures: dict[str, Any]) -> Path:
    """Write ``results/<name>.json`` and return its path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    result = {"benchmark": name, "quick": quick, "seconds": seconds, "machine": facts, "figures": figures}
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _flat(figures: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in figures.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{name}.")
        else:
            yield name, f"{value:,.3g}" if isinstance(value, float) and abs(value) < 100 else f"{value}"


def print_table(name: str, figures: dict[str, Any], facts: dict[str, Any]) -> None:
    """Print the figures, one per line, nested names joined by dots."""
    title = f"{name}: {facts['cores']} cores, load {facts['load_before']} before"
    table = Table(title=title, title_justify="left", show_header=False)
    for key, value in _flat(figures):
        table.add_row(Text(key), Text(value))  # Text: brackets are not markup
    Console().print(table)
