"""What the tests of rescoring share: a model and a rule whose labels are known, and one run of it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from clickhouse_driver import Client

from pipeline.rescore import Progress, Rescore
from pipeline.sentiment.rule import DecisionRule, LogProbabilities, named
from pipeline.store.rescore import RescoreStore
from pipeline.store.rescore_rows import Selection, Survey, Target
from schemas.events import LABELS, Label
from tests.integration.store_support import Controlled


class TextModel:
    """Its label is in the text: the last letter is n, u or p; anything else is neutral."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        self.read += texts
        return [
            cast(LogProbabilities, tuple(-0.2 if label == label_of(text) else -2.5 for label in LABELS))
            for text in texts
        ]


def label_of(text: str) -> Label:
    return {"n": LABELS[0], "p": LABELS[2]}.get(text[-1:], LABELS[1])


PLAIN = DecisionRule(named("plain"))
FLIPPED = DecisionRule(named("flipped", biases=dict.fromkeys(("en", "de"), (9.0, 0.0, 0.0))))
"""Everything is negative."""


def target(model: str = "new@1", rule: DecisionRule = PLAIN) -> Target:
    return Target(model, rule.name, rule.facts.name)


def rescore(
    client: Client,
    tenant: str,
    *,
    model: str = "new@1",
    rule: DecisionRule = PLAIN,
    rule_only: bool = False,
    reader: TextModel | None = None,
    page: int = 2000,
    **selection: Any,
) -> tuple[Progress, Survey]:
    """One whole run over ``tenant``, in pages of ``page``."""
    store = RescoreStore(client)
    chosen = Selection(tenant=tenant, **selection)
    texts = reader or TextModel()
    run = Rescore(store, target(model, rule), rule, chosen, None if rule_only else lambda: texts)
    run._size = page
    after = run.run()
    return run.progress, after


def rescore_controlled(client: Client, tenant: str, before: Callable[[int], None], **options: Any) -> Controlled:
    """The same through a client that may crash or wait before each statement."""
    wrapped = Controlled(client, before)
    rescore(cast(Client, wrapped), tenant, **options)
    return wrapped


def judged(client: Client, tenant: str) -> dict[str, tuple[str, str, str, int]]:
    """Source id -> (model, rule, label, generation) of what is alive."""
    rows = client.execute(
        "SELECT source_id, model, rule, CAST(label, 'String'), bitAnd(truth, 4095) FROM mentions FINAL "
        "WHERE is_deleted = 0 AND tenant = %(t)s",
        {"t": tenant},
    )
    found = {row[0]: tuple(row[1:]) for row in rows}
    assert len(found) == len(rows), "a mention is alive in two places"
    return found


def millis(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)
