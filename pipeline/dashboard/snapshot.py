"""Everything that one view shows, read in one go on one connection, so that its panels agree."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from clickhouse_driver import Client

from pipeline.dashboard import convert, models
from pipeline.dashboard.gold import Gold
from pipeline.dashboard.trust import Marks, TrustBook
from pipeline.store import queries as q
from pipeline.store.newest_model import NOBODY, Judge

FEED_ROWS = 50


@dataclass(frozen=True)
class Slow:
    """What need not be asked every second."""

    dead: q.DeadCounts
    agreement: models.Agreement | None
    trust: Marks
    judge: Judge = NOBODY


@dataclass(frozen=True)
class Snapshot:
    """The state of one view at one moment."""

    summary: models.Summary
    series: models.Series
    languages: models.Languages
    brands: models.Brands
    mentions: list[models.MentionItem]
    slow: Slow
    newest: datetime | None


def take_slow(client: Client, view: q.View, now: float, gold: Mapping[str, Gold] | None, book: TrustBook) -> Slow:
    """Dead letters, trust in each language and, in demo mode (``gold`` given), agreement with the gold labels."""
    period = q.period(view, now)
    agreement = None
    if gold is not None:
        agreement = convert.agreement(q.sample_verdicts(client, view, period), gold)
    marks, judge = book.marks(client, view.tenant, now), book.judge(client, view.tenant, now)
    return Slow(q.dead_letters(client, period), agreement, marks, judge)


def take(client: Client, view: q.View, now: float, slow: Slow) -> Snapshot:
    """Ask for everything of ``view``. The tables keep the other rows: by language ignores the chosen language, by brand
    the chosen brand, so that the reader can compare and change over.
    """
    period = q.period(view, now)
    any_language, any_brand = replace(view, language=""), replace(view, brand="")
    languages = q.by_language(client, any_language, period)
    brands = q.by_brand(client, any_brand, period)
    newest = q.newest_stored(client, view, now)
    return Snapshot(
        summary=convert.summary(view, period, languages, slow.dead, newest, now, slow.judge),
        series=convert.series(view, period, q.series(client, view, period), "total", now, 1),
        languages=convert.languages(any_language, period, languages, slow.trust),
        brands=convert.brands(any_brand, period, brands),
        mentions=[convert.mention(row) for row in q.feed(client, view, period, now, FEED_ROWS)],
        slow=slow,
        newest=newest,
    )
