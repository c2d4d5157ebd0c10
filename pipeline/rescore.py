"""The loop of ``babelwatch rescore``: page by page at a chosen rate, until nothing remains that it could judge."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar
from uuid import UUID

from pipeline.errors import ClickHouseUnavailable
from pipeline.metrics import RESCORED, RETRIES
from pipeline.sentiment.rule import DecisionRule, LogProbabilities
from pipeline.store.rescore import RescoreStore
from pipeline.store.rescore_rows import START, Selection, Stored, Survey, Target

log = logging.getLogger(__name__)
T = TypeVar("T")

LARGEST_PAGE: Final = 2000
"""Mentions read, judged and written at once: texts of 20,000 characters keep it below 200 MB."""
SMALLEST_PAGE: Final = 20
PAGE_S: Final = 2.0
"""At a rate, a page is what two seconds allow, so that progress shows and a stop is quick."""
MOST_PASSES: Final = 5
"""Mentions that came or changed behind the reading are left for another pass; more than this chases a live stream."""


class Infers(Protocol):
    """What is used of a sentiment model."""

    def log_probabilities(self, texts: Sequence[str]) -> list[LogProbabilities]:
        """Of each text, in order."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands; counts of mentions."""

    total: int = 0
    """To judge, as far as it was known at the beginning."""
    judged: int = 0
    written: int = 0
    """Of those, whose row was replaced: the others were edited or deleted meanwhile."""
    inferred: int = 0
    changed: int = 0
    """Got another label."""
    healed: int = 0
    """Pages that a killed run left, counted again."""
    passes: int = 0
    seconds: float = 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the end at the pace so far; None when there is no pace yet."""
        return self.seconds / self.judged * max(0, self.total - self.judged) if self.judged else None


@dataclass(frozen=True)
class Patience:
    """How long a ClickHouse that is away is waited for; then the run ends, and the next one goes on where it stood."""

    seconds: float = 60.0
    pause_s: float = 1.0


class Rescore:
    """One run. ``model`` makes the model when the first text has to be read; None: only stored values are used."""

    def __init__(
        self,
        store: RescoreStore,
        target: Target,
        rule: DecisionRule,
        selection: Selection,
        model: Callable[[], Infers] | None,
        *,
        rate: float = 0.0,
        tell: Callable[[Progress], object] = lambda _: None,
        stopping: Callable[[], bool] = lambda: False,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``rate``: mentions per second, 0 as many as there can be. ``stopping`` is asked between pages.

        Without ``model`` mentions whose text it has never read stay as they are.
        """
        self._store, self._target, self._rule, self._selection = store, target, rule, selection
        self._make = model
        self._model: Infers | None = None
        self._rate, self._tell, self._stopping = rate, tell, stopping
        self._patience = patience or Patience()
        self._clock, self._sleep = clock, sleep
        self._page_number = 0
        self._began = clock()
        self._size = LARGEST_PAGE if not rate else max(SMALLEST_PAGE, min(LARGEST_PAGE, int(rate * PAGE_S)))
        self.progress = Progress()

    def run(self) -> Survey:
        """Judge what remains, and return what there is afterwards.

        Raises ClickHouseUnavailable when it stays away, ClickHouseRefused, RowsRefused, ModelError.
        """
        self._note(healed=self._again(self._store.heal))
        before = self._survey()
        self._note(total=before.remaining)
        while self.progress.passes < MOST_PASSES and not self._stopping():
            written = self.progress.written
            for tenant in self._again(lambda: self._store.tenants(self._selection)):
                self._tenant(tenant)
            self._note(passes=self.progress.passes + 1)
            after = self._survey()
            if not after.remaining or self.progress.written == written:
                return after
        return self._survey()

    def _survey(self) -> Survey:
        return self._again(lambda: self._store.survey(self._selection, self._target))

    def _tenant(self, tenant: str) -> None:
        after = START
        while not self._stopping():
            at = after
            page = self._again(
                lambda at=at: self._store.page(  # type: ignore[misc]
                    tenant, at, self._selection, self._target, self._size
                )
            )
            if not page:
                return
            self._judge(page)
            after = page[-1].place

    def _judge(self, page: Sequence[Stored]) -> None:
        known = self._again(lambda: self._store.log_probabilities(page, self._target.model))
        missing = [one for one in page if one.key.mention_id not in known]
        if self._make is None:
            RESCORED.labels("no_log_probabilities").inc(len(missing))
            page = [one for one in page if one.key.mention_id in known]
        elif missing:
            known |= self._infer(missing)
        values = [known[one.key.mention_id] for one in page]
        judged = self._rule.judge(self._target.model, values, [one.language for one in page])
        self._page_number += 1
        number, before = self._page_number, self._store.written
        self._again(lambda: self._store.rewrite(number, page, judged, self._target))
        written = self._store.written - before
        changed = sum(one.label != new.label for one, new in zip(page, judged, strict=True))
        inferred = len(missing) if self._make is not None else 0
        RESCORED.labels("inferred").inc(inferred)
        RESCORED.labels("by_rule").inc(len(page) - inferred)
        self._note(
            judged=self.progress.judged + len(page),
            written=self.progress.written + written,
            inferred=self.progress.inferred + inferred,
            changed=self.progress.changed + changed,
        )
        self._keep_the_rate()

    def _infer(self, missing: Sequence[Stored]) -> dict[UUID, LogProbabilities]:
        if self._model is None:
            assert self._make is not None  # noqa: S101 - narrows the type
            self._model = self._make()
        found = self._model.log_probabilities([one.text for one in missing])
        return {one.key.mention_id: value for one, value in zip(missing, found, strict=True)}

    def _keep_the_rate(self) -> None:
        if not self._rate:
            return
        due = self._began + self.progress.judged / self._rate
        while (left := due - self._clock()) > 0 and not self._stopping():
            self._sleep(min(left, 0.5))

    def _note(self, **changes: int) -> None:
        self.progress = replace(self.progress, seconds=self._clock() - self._began, **changes)
        self._tell(self.progress)

    def _again(self, step: Callable[[], T]) -> T:
        """Do ``step``, which is idempotent, until ClickHouse answers or patience is over."""
        deadline = self._clock() + self._patience.seconds
        while True:
            try:
                return step()
            except ClickHouseUnavailable as error:
                if self._clock() > deadline:
                    raise
                RETRIES.labels("rescore", "clickhouse").inc()
                log.warning("%s; again", error)
                self._sleep(self._patience.pause_s)
