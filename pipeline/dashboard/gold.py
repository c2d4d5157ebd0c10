"""Gold labels of the demo's sample mentions: what their authors meant, to compare with what the pipeline says."""

import json
from pathlib import Path
from typing import NamedTuple

from schemas.events import Label

SAMPLE = Path(__file__).parent.parent / "sample"


class Gold(NamedTuple):
    """The label and language that the author of a sample text gave it."""

    language: str
    label: Label


def load_gold(folder: Path = SAMPLE) -> dict[str, Gold]:
    """Sample key -> gold, from ``mentions*.jsonl``. Lines without key or label have none."""
    gold: dict[str, Gold] = {}
    for path in sorted(folder.glob("mentions*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip():
                item = json.loads(line)
                if "key" in item and "label" in item:
                    gold[item["key"]] = Gold(item.get("language", "und"), item["label"])
    return gold
