"""Language detection, measured on tweets whose language is known: thresholds and hints.

UMSAB's validation part is what the constants were chosen on; its train part (no English in it) is held out: nothing was
chosen there.

``python -m benchmarks.language`` prints the tables of docs/language.md. Without that data it says so, and prints only
the table of our own sentences (``benchmarks.language_romanised``).
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import language_romanised
from pipeline.language import LanguageDetector, _predict
from pipeline.text import clean_for_language

DATA = Path(__file__).parents[2] / "shared" / "data" / "umsab"
FOLDERS = {
    "arabic": "ar", "english": "en", "french": "fr", "german": "de", "hindi": "hi-Latn", "italian": "it",
    "portuguese": "pt", "spanish": "es",
}  # fmt: skip
THRESHOLDS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
Hint = Callable[[str, int], str | None]


def held_out() -> dict[str, list[str]]:
    """Language -> texts (1,839 each, no English) that no constant was chosen on, without those of :func:`texts`."""
    seen = {line.strip() for lines in texts().values() for line in lines}
    found = {}
    for folder, tag in FOLDERS.items():
        path = DATA.parent / "unlabelled_tweets" / f"{folder}.txt"
        if path.is_file():
            lines = path.read_text(encoding="utf-8").split("\n")
            found[tag] = [line for line in lines if line.strip() and line.strip() not in seen]
    return found


def texts() -> dict[str, list[str]]:
    """Language -> its texts (324 each); the Hindi is romanised."""
    read = {tag: (DATA / folder / "val_text.txt").read_text(encoding="utf-8") for folder, tag in FOLDERS.items()}
    return {tag: [line for line in text.split("\n") if line.strip()] for tag, text in read.items()}


def judged(data: dict[str, list[str]], hint: Hint) -> list[tuple[str, str, float]]:
    """(true language, best language, its probability) of every text."""
    detector = LanguageDetector(0.0)
    return [
        (truth, answer.tag, answer.confidence)
        for truth, lines in data.items()
        for number, line in enumerate(lines)
        for answer in [detector.detect(line, hint(truth, number))]
    ]


def precision_recall(rows: list[tuple[str, str, float]], threshold: float) -> dict[str, tuple[float, float]]:
    """Language -> precision and recall in percent. The romanised Hindi among the texts costs the others precision."""
    sure = [(truth, tag) for truth, tag, confidence in rows if confidence >= threshold]
    truths, given = Counter(truth for truth, _, _ in rows), Counter(tag for _, tag in sure)
    right = Counter(truth for truth, tag in sure if truth == tag)
    return {tag: (100 * right[tag] / max(1, given[tag]), 100 * right[tag] / truths[tag]) for tag in truths}


def hints(tags: list[str]) -> dict[str, Hint]:
    """Sources of several kinds."""

    def wrong(truth: str, number: int) -> str:
        others = [tag for tag in tags if tag != truth]
        return others[number % len(others)]

    return {
        "no hint": lambda truth, number: None,
        "right": lambda truth, number: truth.split("-")[0],
        "1 in 10 wrong": lambda truth, number: wrong(truth, number // 10) if number % 10 == 0 else truth.split("-")[0],
        "all wrong": wrong,
        "always en": lambda truth, number: "en",
    }


def run(quick: bool = False) -> dict[str, Any]:
    """Measure; ``quick`` leaves out the hints. Without the data only what our own sentences say."""
    own = {"romanised": language_romanised.measured()}
    if not DATA.is_dir():
        return own
    data = texts()
    kinds = hints(list(data)) if not quick else {"no hint": hints(list(data))["no hint"]}
    rows = {name: judged(data, hint) for name, hint in kinds.items()}
    flat = [line for lines in data.values() for line in lines]
    detector = LanguageDetector()
    start = time.perf_counter()
    for line in flat:
        detector.detect(line)
    ours = time.perf_counter() - start
    with language_romanised.without_classifier():
        rows["lid.176 alone"] = judged(data, kinds["no hint"])
        start = time.perf_counter()
        for line in flat:
            detector.detect(line)
        before = time.perf_counter() - start
    start = time.perf_counter()
    for line in flat:
        _predict(clean_for_language(line), 1)
    alone = time.perf_counter() - start
    fresh = {} if quick else held_out()
    held = {name: judged(fresh, hint) for name, hint in hints(list(fresh)).items()} if fresh else {}
    if fresh:
        with language_romanised.without_classifier():
            held["lid.176 alone"] = judged(fresh, kinds["no hint"])
    return own | {
        "held_out": {name: precision_recall(found, 0.5) for name, found in held.items()},
        "thresholds": {str(t): precision_recall(rows["no hint"], t) for t in THRESHOLDS},
        "hints": {name: precision_recall(found, 0.5) for name, found in rows.items()},
        "texts_per_s": round(len(flat) / ours),
        "texts_per_s_lid_alone": round(len(flat) / before),
        "ratio_to_cleaned_fasttext": round(alone / ours, 2),
    }


def _table(title: str, rows: dict[str, dict[str, tuple[float, float]]]) -> None:
    tags = list(next(iter(rows.values())))
    print(f"\n| {title} | " + " | ".join(tags) + " | mean without hi |\n|" + "---|" * (len(tags) + 2))
    for name, row in rows.items():
        cells = [f"{precision:.1f} / {recall:.1f}" for precision, recall in row.values()]
        seven = [row[tag] for tag in tags if tag != "hi-Latn"]
        mean = " / ".join(f"{sum(values) / len(seven):.1f}" for values in zip(*seven, strict=True))
        print(f"| {name} | " + " | ".join(cells) + f" | {mean} |")


def main() -> None:
    """Print the tables, or with --json the figures."""
    figures = run("--quick" in sys.argv)
    if "--json" in sys.argv:
        print(json.dumps(figures))
        return
    print(language_romanised.table(figures["romanised"]))
    if "thresholds" not in figures:
        print(f"\nskipped: {DATA} is not there")
        return
    _table("threshold", figures["thresholds"])
    _table("hints", figures["hints"])
    if figures["held_out"]:
        _table("held out", figures["held_out"])
    print(f"\n{figures['texts_per_s']} texts/s, {figures['texts_per_s_lid_alone']} with lid.176 alone; ", end="")
    print(f"{figures['ratio_to_cleaned_fasttext']} of lid.176's best label of cleaned text")


if __name__ == "__main__":
    main()
