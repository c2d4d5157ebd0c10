"""A model folder of format 2 made of the shipped one, for tests of rules that the shipped model does not have."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.sentiment.abstention import AbstentionPoint
from pipeline.sentiment.folder import CARD, CONFIG, ModelFolder
from pipeline.sentiment.rule import RuleFacts, named
from pipeline.settings import PACKAGE

SHIPPED = PACKAGE / "sentiment" / "models" / "quality"
WITHOUT_CARD = shutil.ignore_patterns(CARD)
"""The card says the numbers of the rule that it was written with: with another one the folder would be refused."""


def with_rule(folder: Path, rule: RuleFacts, **changes: Any) -> Path:
    """Copy the shipped folder to ``folder`` with ``rule``; ``changes`` replace fields of it unchecked."""
    shutil.copytree(SHIPPED, folder, ignore=WITHOUT_CARD)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    section = config["babelwatch"]
    section.pop("class_prior", None)
    section |= {"format": 2, "rule": msgspec.to_builtins(rule) | changes}
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder


def of_format_1(folder: Path, class_prior: Sequence[float]) -> Path:
    """Copy the shipped folder to ``folder`` with the section that format 1 had: a class prior and no other rule."""
    shutil.copytree(SHIPPED, folder, ignore=WITHOUT_CARD)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    section = config["babelwatch"]
    del section["rule"]
    config["babelwatch"] = section | {"format": 1, "rule": "minus-log-prior-v1", "class_prior": list(class_prior)}
    (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder


def without_abstention(folder: Path) -> Path:
    """Copy the shipped folder to ``folder`` with its rule less the thresholds."""
    facts = ModelFolder(SHIPPED).facts.rule
    name = facts.name.rsplit("-", 1)[0]
    return with_rule(folder, named(name, log_prior=facts.log_prior, temperature=facts.temperature, biases=facts.biases))


def points(english: float, other: float, errors: Sequence[float] = (0.1, 0.2)) -> list[AbstentionPoint]:
    """Thresholds made up: of English, and of every other language."""
    return [
        point
        for error in errors
        for point in (
            AbstentionPoint(language="en", error=error, threshold=english, coverage=0.8, kind="guaranteed"),
            AbstentionPoint(language="*", error=error, threshold=other, coverage=0.4, kind="estimated"),
        )
    ]
