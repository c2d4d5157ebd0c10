"""Brand matching against a naive ``re`` alternation over the same names, in one run: texts/s, as a ratio.

The peer is what one writes first, ``re.compile(r"\\b(?:name|name|...)\\b", re.IGNORECASE)``, longest name first. It has
no folding, no clitics, no endings and no exclusions; on these texts both find the same (checked).

``python -m benchmarks.brands [--quick] [--json]``
"""

import json
import random
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from pipeline.brands import Brand, BrandMatcher, Catalogue, Name

SENTENCE = "the battery of my new phone died again after two hours and nobody at the shop wants to help me with it"


def names(count: int, rng: random.Random) -> list[str]:
    """``count`` distinct made-up names of 5 to 12 letters."""
    made: set[str] = set()
    while len(made) < count:
        made.add(
            "".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(rng.randint(3, 6))).capitalize()
        )
    return sorted(made)


def texts(pool: list[str], count: int, rng: random.Random) -> list[str]:
    """``count`` texts of about 120 characters, every third with a name in it."""
    made = []
    for number in range(count):
        words = rng.choices(SENTENCE.split(), k=22)
        if number % 3 == 0:
            words[rng.randrange(22)] = rng.choice(pool)
        made.append(" ".join(words))
    return made


def rate(find: Callable[[str], object], sample: list[str]) -> float:
    """Texts per second, the better of two rounds."""
    best = 0.0
    for _ in range(2):
        start = time.perf_counter()
        for text in sample:
            find(text)
        best = max(best, len(sample) / (time.perf_counter() - start))
    return best


def run(quick: bool = False) -> dict[str, Any]:
    """Measure for several numbers of names."""
    figures: dict[str, Any] = {}
    for count in (10, 1_000) if quick else (10, 100, 1_000, 10_000):
        rng = random.Random(11)
        pool = names(count, rng)
        start = time.perf_counter()
        matcher = BrandMatcher(Catalogue("", tuple(Brand(f"b{i}", n, (Name(n),)) for i, n in enumerate(pool))))
        built = time.perf_counter() - start
        alternation = re.compile(
            r"\b(?:" + "|".join(map(re.escape, sorted(pool, key=len, reverse=True))) + r")\b", re.IGNORECASE
        )
        sample = texts(pool, 2_000, rng)
        few = sample[: max(20, min(2_000, 200_000 // count))]
        for text in few:
            ours = [text[match.start : match.end] for match in matcher.match(text, "en")]
            assert ours == alternation.findall(text), text
        ours_rate, peer_rate = rate(matcher.match, sample), rate(alternation.findall, few)
        figures[str(count)] = {
            "texts_per_s": round(ours_rate),
            "re_texts_per_s": round(peer_rate),
            "ratio": round(ours_rate / peer_rate, 2),
            "build_s": round(built, 3),
        }
    return figures


def main() -> None:
    """Print a table, or with --json the figures."""
    figures = run("--quick" in sys.argv)
    if "--json" in sys.argv:
        print(json.dumps(figures))
        return
    print("| names | texts/s | `re` alternation | ratio | built in |\n|---|---|---|---|---|")
    for count, row in figures.items():
        print(f"| {count} | {row['texts_per_s']} | {row['re_texts_per_s']} | {row['ratio']} | {row['build_s']} s |")


if __name__ == "__main__":
    main()
