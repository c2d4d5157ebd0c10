"""Talk: patterns of what people write to each other, written for this project, because prose alone has no "you" in it.

A line of `phrases/<tag>.txt` is a pattern: ``{kya|kia} {kar|kr} rahe ho`` stands for each way to choose one of the
alternatives in braces; an empty one leaves the place out.
"""

import random
import re
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "phrases"
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")


@cache
def patterns(tag: str) -> tuple[str, ...]:
    """The patterns of a language, none when it has no file."""
    path = FOLDER / f"{tag}.txt"
    return tuple(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else ()


def speak(tag: str, rng: random.Random) -> str:
    """One to three patterns, filled in."""
    chosen = rng.choices(patterns(tag), k=rng.choice((1, 1, 1, 2, 3)))
    filled = [_CHOICE.sub(lambda match: rng.choice(match[1].split("|")), pattern) for pattern in chosen]
    return " ".join(" ".join(filled).split())
