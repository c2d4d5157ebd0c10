"""How good a model is, per language: macro-F1 with and without the decision rule. Pure but for reading the texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from pipeline.errors import ModelError
from pipeline.sentiment.model import SentimentModel
from schemas.events import LABELS

FILE: Final = "evaluation.json"


class LanguageResult(Struct, frozen=True, kw_only=True):
    """Macro-F1 of one language, in percent, and how often each label is given with the rule (shares, LABELS' order)."""

    language: str
    texts: int
    argmax: float
    rule: float
    given: tuple[float, float, float]


class Evaluation(Struct, frozen=True, kw_only=True):
    """One model on one labelled set."""

    model: str
    rule: str
    data: str
    languages: list[LanguageResult]

    def mean(self, what: str, without: str = "english") -> float:
        """Unweighted mean of ``argmax`` or ``rule`` over the languages that the model saw no label of."""
        values = [float(getattr(result, what)) for result in self.languages if result.language != without]
        return sum(values) / len(values) if values else float("nan")


def macro_f1(gold: Sequence[int], found: Sequence[int]) -> float:
    """Mean of the F1 of the classes, in percent; a class that is neither in gold nor found does not count."""
    scores = []
    for label in range(len(LABELS)):
        hits = sum(a == b == label for a, b in zip(gold, found, strict=True))
        total = sum(a == label for a in gold) + sum(b == label for b in found)
        if total:
            scores.append(2 * hits / total)
    return 100 * sum(scores) / len(scores) if scores else 0.0


def read_set(folder: Path, split: str) -> tuple[list[str], list[int]]:
    """Texts and labels (0 negative, 1 neutral, 2 positive) of ``<folder>/<split>_{text,labels}.txt``.

    Raises ModelError when they do not fit together.
    """
    texts = (folder / f"{split}_text.txt").read_text(encoding="utf-8").split("\n")
    lines = (folder / f"{split}_labels.txt").read_text(encoding="utf-8").split()
    texts = texts[:-1] if texts and not texts[-1] else texts
    if len(texts) != len(lines) or not set(lines) <= {"0", "1", "2"}:
        raise ModelError(f"{folder}: {len(texts)} texts but {len(lines)} labels, which must be 0, 1 or 2")
    return texts, [int(line) for line in lines]


def evaluate(model: SentimentModel, data: Path, split: str) -> Evaluation:
    """Judge every language folder of ``data``. Raises ModelError when there is none."""
    folders = sorted(path.parent for path in data.glob(f"*/{split}_text.txt")) if data.is_dir() else []
    if not folders:
        raise ModelError(
            f"{data} holds no <language>/{split}_text.txt and {split}_labels.txt (the layout of UMSAB, repository "
            "cardiffnlp/xlm-t): name such a folder with --data"
        )
    results = []
    for folder in folders:
        texts, gold = read_set(folder, split)
        judged = model.judge(texts, ["und"] * len(texts))
        raw = [max(range(len(LABELS)), key=one.log_probabilities.__getitem__) for one in judged]
        final = [LABELS.index(one.label) for one in judged]
        negative, neutral, positive = (round(final.count(label) / len(final), 3) for label in range(len(LABELS)))
        results.append(
            LanguageResult(
                language=folder.name,
                texts=len(texts),
                argmax=round(macro_f1(gold, raw), 1),
                rule=round(macro_f1(gold, final), 1),
                given=(negative, neutral, positive),
            )
        )
    return Evaluation(model=model.name, rule=model.rule, data=f"{data.name} {split}", languages=results)
