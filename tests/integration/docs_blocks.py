"""The blocks of code in our pages that must run, each with the mark that says how."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md")))
LANGUAGES = ("console", "python")
MODES = ("stack", "offline", "skip")

_MARK = re.compile(r"^<!-- test: (?P<mode>\S+)(?P<rest>.*?)-->$")
_FENCE = re.compile(r"^```(?P<language>\w*)")


@dataclass(frozen=True)
class Block:
    """One fenced block. ``mode`` is '' when it has no mark."""

    page: str
    line: int
    language: str
    mode: str
    reason: str
    exit_code: int
    text: str

    @property
    def commands(self) -> list[str]:
        """What follows each ``$ ``; a backslash at the end goes on in the next line. Other lines are output."""
        commands: list[str] = []
        going_on = False
        for line in self.text.splitlines():
            if going_on:
                commands[-1] += "\n" + line
            elif line.startswith("$ "):
                commands.append(line[2:])
            else:
                continue
            going_on = line.endswith("\\")
        return commands


def blocks() -> list[Block]:
    """Every ``console`` and ``python`` block of the pages."""
    return [block for page in PAGES for block in parse(page.read_text(encoding="utf-8"), str(page.relative_to(ROOT)))]


def parse(text: str, page: str) -> list[Block]:
    """The blocks of one page; the mark is the last line before the fence that is not blank."""
    found: list[Block] = []
    before = ""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        fence = _FENCE.match(line)
        if fence is None:
            before = line.strip() or before
            continue
        body: list[str] = []
        for _, inner in lines:
            if inner.startswith("```"):
                break
            body.append(inner)
        if fence["language"] in LANGUAGES:
            mark = _MARK.match(before)
            mode, rest = (mark["mode"], mark["rest"].strip()) if mark else ("", "")
            exit_code = re.search(r"\bexit=(\d+)", rest)
            found.append(
                Block(
                    page=page,
                    line=number,
                    language=fence["language"],
                    mode=mode,
                    reason=rest,
                    exit_code=int(exit_code[1]) if exit_code and mode != "skip" else 0,
                    text="\n".join(body),
                )
            )
        before = ""
    return found
