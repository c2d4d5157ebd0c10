"""Romanised languages on our own sentences: precision and recall per language with and without the classifier.

Right are `pipeline/romanised/eval` and the romanised Hindi of `pipeline/sentiment/parallel`; the other languages there
must not be called romanised. No data from outside is needed. ``benchmarks.language`` runs this and prints the table.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from pipeline.language import LanguageDetector
from pipeline.romanised import opinion, phrases
from pipeline.romanised.classifier import prepare
from pipeline.text import clean_for_language

ROOT = Path(__file__).parents[1] / "pipeline"
EVALUATION = ROOT / "romanised" / "eval"
PARALLEL = ROOT / "sentiment" / "parallel"
SHORT = 4
"""Words up to which a text counts as short."""
CALLED = {"ur-Latn": "hi-Latn"}
"""Variety -> tag that is right for it."""
Rows = dict[str, list[str]]
Answers = dict[str, list[str]]


def is_romanised(tag: str) -> bool:
    """Whether the tag is one that lid.176 does not have (Serbian in Latin letters it has)."""
    return tag.endswith("-Latn") and tag != "sr-Latn"


def sentences() -> Rows:
    """Variety -> its sentences: 40 of each romanised one (240 of Hindi), 240 of 30 languages as usually written."""
    files = [*sorted(EVALUATION.glob("*.txt")), *sorted(PARALLEL.glob("*.txt"))]
    return {file.stem: file.read_text(encoding="utf-8").splitlines() for file in files}


def pieces(rows: Rows, words: int) -> Rows:
    """The first words of each sentence: short texts in any number. Languages without spaces stay whole."""
    return {tag: [" ".join(line.split()[:words]) for line in lines] for tag, lines in rows.items()}


@contextmanager
def without_classifier() -> Iterator[None]:
    """lid.176 alone decides, as before there was a classifier."""
    with mock.patch.object(opinion, "both", lambda evidence, line: evidence):
        yield


def answers(rows: Rows) -> Answers:
    """The tag of each sentence, without a hint."""
    detector = LanguageDetector()
    return {tag: [detector.detect(line).tag for line in lines] for tag, lines in rows.items()}


def figures(found: Answers) -> dict[str, tuple[float, float]]:
    """Variety -> precision and recall in percent; a precision counts all sentences that were given the tag."""
    given = Counter(tag for tags in found.values() for tag in tags)
    right = Counter(tag for truth, tags in found.items() for tag in tags if tag == CALLED.get(truth, truth))
    scores = {}
    for truth, tags in found.items():
        wanted = CALLED.get(truth, truth)
        recall = sum(tag == wanted for tag in tags) / max(1, len(tags))
        scores[truth] = (100 * right[wanted] / max(1, given[wanted]), 100 * recall)
    return scores


def holds_a_phrase(tag: str, line: str) -> bool:
    """Whether a training phrase of two words or more stands in the line: then the classifier may have seen it."""
    text = f" {prepare(clean_for_language(line))} "
    for pattern in phrases.patterns(CALLED.get(tag, tag)):
        parts = [part for part in re.split(r"(\{[^{}]*\}| )", pattern) if part.strip()]
        ways = [part[1:-1].split("|") if part.startswith("{") else [part] for part in parts]
        if len(ways) > 1 and re.search(
            "".join(rf"(?: (?:{'|'.join(map(re.escape, way))}))" for way in ways) + " ", text
        ):
            return True
    return False


def measured() -> dict[str, Any]:
    """Measure: (precision, recall) by variety for lid.176 and for both, on whole sentences and on short texts."""
    rows = sentences()
    short = pieces(rows, SHORT)
    result: dict[str, Any] = {}
    for name, texts in (("sentences", rows), ("first_words", short)):
        with without_classifier():
            alone = answers(texts)
        joined = answers(texts)
        others = [tag for tag in joined if not is_romanised(tag)]
        result[name] = {
            "count": {tag: len(lines) for tag, lines in texts.items()},
            "lid.176": figures(alone),
            "both": figures(joined),
            "called_romanised": {tag: sum(map(is_romanised, joined[tag])) for tag in others},
        }
        if name == "sentences":
            new = {
                tag: [
                    answer for answer, line in zip(joined[tag], rows[tag], strict=True) if not holds_a_phrase(tag, line)
                ]
                for tag in rows
                if is_romanised(tag)
            }
            result["new_wording"] = {tag: (len(tags), figures({tag: tags})[tag][1]) for tag, tags in new.items()}
    return result


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table: the romanised varieties, the mended languages, English, all others."""
    whole, short = found["sentences"], found["first_words"]
    head = ["language", "sentences", "lid.176 alone", "both", "new wording", f"first {SHORT} words, alone", "both"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]

    def cell(part: dict[str, tuple[float, float]], tags: list[str]) -> str:
        precision, recall = (sum(part[tag][side] for tag in tags) / len(tags) for side in (0, 1))
        return f"{precision:.1f} / {recall:.1f}"

    romanised = [tag for tag in whole["both"] if is_romanised(tag)]
    named = [*romanised, "id", "sw", "en"]
    rest = [tag for tag in whole["both"] if tag not in named]
    for name, tags in [*((tag, [tag]) for tag in named), (f"mean of {len(rest)} others", rest)]:
        count, recall = found["new_wording"].get(name, (0, 0.0))
        cells = [
            str(sum(whole["count"][tag] for tag in tags)),
            *(cell(whole[side], tags) for side in ("lid.176", "both")),
            f"{recall:.1f} of {count}" if count else "",
            *(cell(short[side], tags) for side in ("lid.176", "both")),
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    wrong = [
        f"{sum(part['called_romanised'].values())} of {sum(part['count'][tag] for tag in part['called_romanised'])}"
        for part in (whole, short)
    ]
    lines.append(f"\nOther languages called romanised: {wrong[0]} sentences, {wrong[1]} beginnings of them.")
    return "\n".join(lines)
