"""Coverage-guided search for what breaks the first stage: atheris keeps each input that reaches new code of ours.

A process of its own (``python -m tests.fuzz.guided FOLDER RUNS SEED``), because libFuzzer ends the process and the code
is instrumented when it is imported. What it kept becomes messages of the run (:mod:`tests.fuzz.messages`).
Source: https://github.com/google/atheris and libFuzzer's documentation.
"""

import json
import random
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from tests.rig import ROOT

INSTRUMENTED: Final = (
    *("schemas", "pipeline.detect", "pipeline.source_fields", "pipeline.text"),
    *("pipeline.brands", "pipeline.language", "pipeline.romanised"),
)
MAX_BYTES: Final = 4096
KEPT, FOUND = "kept", "found"
"""Folders: inputs that reached new code, and tracebacks."""


@dataclass(frozen=True)
class Search:
    """What came of it."""

    runs: int
    kept: tuple[bytes, ...] = ()
    found: tuple[str, ...] = ()
    """Last lines of tracebacks, or how the process ended."""
    skipped: str = ""
    """Why there was no search."""


def search(folder: Path, bases: Sequence[bytes], runs: int, seed: int) -> Search:
    """Try ``runs`` inputs that grow from ``bases``."""
    if find_spec("atheris") is None:
        return Search(0, skipped="atheris is not installed (it has wheels for Linux on x86-64)")
    for name in (KEPT, FOUND):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, base in enumerate(bases):
        (folder / KEPT / f"base-{number}").write_bytes(base)
    with (folder / "guided.log").open("wb") as log:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.guided", str(folder), str(runs), str(seed)],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    # Notes only: what libFuzzer leaves there of a crash are raw bytes, and it ends with an exit code then.
    found = [note.read_text().strip().splitlines()[-1] for note in sorted((folder / FOUND).glob("*.txt"))]
    if ended.returncode:
        found.append(f"the search ended with {ended.returncode}: see {folder / 'guided.log'}")
    kept = tuple(file.read_bytes() for file in sorted((folder / KEPT).iterdir()))
    return Search(runs, kept, tuple(found))


def _mutated(atheris: Any, data: bytes, most: int, seed: int) -> bytes:
    """Mutate one string of the event in four of five cases, else the bytes: a parser refuses nearly all of those."""
    rng = random.Random(seed)
    try:
        event = json.loads(data)
        names = [name for name, value in event.items() if isinstance(value, str)]
        if not names or rng.random() < 0.2:
            raise ValueError
    except (ValueError, AttributeError, RecursionError):
        changed: bytes = atheris.Mutate(data, most)
        return changed
    name = rng.choice([*names, "text"])
    before = str(event.get(name, "")).encode("utf-8", "surrogatepass")
    event[name] = atheris.Mutate(before, len(before) + 64).decode("utf-8", rng.choice(("replace", "surrogateescape")))
    return json.dumps(event, ensure_ascii=rng.random() < 0.5).encode("utf-8", "replace")[:most]


def main(folder: Path, runs: int, seed: int) -> None:
    """Search; does not return."""
    import atheris

    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        from pipeline.brands import BrandMatcher, load_brands
        from pipeline.detect import Detector
        from pipeline.language import LanguageDetector
        from pipeline.source_fields import Bounds, Keeper
        from schemas.events import EventError, Origin, encode
    matcher = BrandMatcher(load_brands(ROOT / "pipeline" / "sample" / "brands.yaml"))
    detector = Detector(LanguageDetector(), lambda: matcher, author_secret=b"fuzz", source_fields=Keeper(Bounds(4096)))
    origin, now = Origin(incarnation="fuzz", topic="mentions", partition=0, offset=0), datetime.now(UTC)

    def one(data: bytes) -> None:
        try:
            encode(detector.detect(data, origin, now))
        except EventError:
            return
        except Exception:
            # Noted and gone on: one finding must not hide the others.
            what = traceback.format_exc()
            (folder / FOUND / f"{abs(hash(what)):016x}.txt").write_text(f"{data!r}\n{what}", encoding="utf-8")

    atheris.Setup(
        [
            *(sys.argv[0], f"-runs={runs}", f"-seed={seed}", f"-max_len={MAX_BYTES}", "-timeout=30"),
            *("-rss_limit_mb=2048", f"-artifact_prefix={folder / FOUND}/", "-print_final_stats=1", str(folder / KEPT)),
        ],
        one,
        custom_mutator=lambda data, most, number: _mutated(atheris, data, most, number),
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
