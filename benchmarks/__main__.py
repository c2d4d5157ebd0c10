"""``python -m benchmarks [--quick] [NAME ...]``: run what is registered, write JSON into results/, print a table.

Every module here with a function ``run(quick: bool) -> dict`` is a benchmark of that name. One that cannot run on this
machine returns ``{"skipped": reason}``.
"""

import argparse
import ast
import importlib
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from benchmarks.report import machine, print_table, write

FOLDER = Path(__file__).parent


def registered() -> list[str]:
    """Names of the modules that define ``run``, found without importing them: one broken module hides no other."""
    names = []
    for path in sorted(FOLDER.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if any(isinstance(node, ast.FunctionDef) and node.name == "run" for node in tree.body):
            names.append(path.stem)
    return names


def measure(name: str, quick: bool) -> dict[str, Any]:
    """Run one benchmark. A failure is its result, not the end of the others."""
    try:
        figures: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").run(quick)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # benchmarks may also leave by SystemExit
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {error}"}
    return figures or {"skipped": "what it measures on is not on this machine"}


def main() -> int:
    """Run the named benchmarks, or all; the exit code is 1 when one failed."""
    names = registered()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer texts and rounds: does it run, not how fast")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}; default: all")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(names)
    if unknown:
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    if chosen.list:
        print("\n".join(names))
        return 0
    failed = False
    for name in chosen.names or names:
        print(f"== {name}", file=sys.stderr, flush=True)
        facts = machine()
        began = time.monotonic()
        figures = measure(name, chosen.quick)
        failed |= "failed" in figures
        path = write(name, chosen.quick, round(time.monotonic() - began, 1), facts, figures)
        print_table(name, figures, facts)
        print(f"written: {path}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
