"""How often the shipped models agree with the gold labels of the demo's sample, language by language.

What the dashboard shows in the demo, on every text once: language detected (with the hints of the sources), judged by
the model and its rule. The sample is easier than the wild (docs/sample.md). With ``BABELWATCH_MODEL_PATH`` another
model is measured beside them.

``python -m benchmarks sample_agreement``
"""

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from pipeline.language import LanguageDetector
from pipeline.sample import texts
from pipeline.sentiment.installed import SHIPPED
from pipeline.sentiment.lines import Record
from pipeline.sentiment.model import load_model
from pipeline.sentiment.scoring import Scorer
from pipeline.settings import load_settings
from schemas.events import LABELS


def run(quick: bool) -> dict[str, Any]:
    """Agreement in percent: all, the incident apart, by gold label, by language; and how many languages are right."""
    mentions = [*texts.ordinary(), *texts.incident()]
    settings = load_settings()
    folders = sorted(SHIPPED.glob("*/config.json"))
    if own := os.environ.get("BABELWATCH_MODEL_PATH"):
        folders.append(Path(own) / "config.json")
    detector = LanguageDetector(settings.language_min_confidence)
    records = [Record(at, one.key, one.text, one.lang_hint) for at, one in enumerate(mentions)]
    ordinary = {one.key for one in texts.ordinary()}
    figures: dict[str, Any] = {"texts": len(mentions)}
    for config in folders:
        model = load_model(settings.model_copy(update={"model_path": config.parent}))
        judged = Scorer(model, detector).score(records)
        right: dict[str, list[bool]] = defaultdict(list)
        for mention, row in zip(mentions, judged, strict=True):
            same = row.label == mention.label
            occasion = "ordinary" if mention.key in ordinary else "incident"
            for group in ("all", occasion, mention.label, mention.language):
                right[group].append(same)
            right["language found"].append(row.language == mention.language)
        percent = {group: round(100 * sum(hits) / len(hits), 1) for group, hits in right.items()}
        first = ("all", "ordinary", "incident", *LABELS, "language found")
        figures[model.name] = {name: percent[name] for name in (*first, *sorted(set(percent) - set(first)))}
    return figures
