"""What the dashboard asks ClickHouse: rollups for numbers and charts, ``mentions`` for the feed, all of it bounded.

Values are always parameters. Table and column names come from the constants here, never from a request. Every panel
of one view covers the same period, so that its totals agree: see :func:`period`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from pipeline.dead.states import CLOSED

SHORT_WINDOW_S: Final = 5 * 3600
"""Up to here rollup_recent (10-second slots, kept 12 hours) holds this window and the one before it."""
MAX_WINDOW_S: Final = 366 * 86400
MAX_SLOTS: Final = 181
"""Bars of a chart; more cannot be told apart on a phone or a laptop."""
MAX_MENTIONS: Final = 200
MAX_TEXT_CHARS: Final = 1200
"""A feed shows the beginning of a longer text, so that 200 mentions stay a small answer."""
MAX_SERIES: Final = 200

SHORT_STEPS: Final = (10, 20, 30, 60, 120, 300)
MINUTE_STEPS: Final = (300, 600, 1200, 1800)
HOUR_STEPS: Final = (3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400)

READ: Final[dict[str, Any]] = {
    "do_not_merge_across_partitions_select_final": 1,
    "max_execution_time": 8,
    "max_result_rows": 100_000,
}
"""Settings of every query. A row never changes its partition without a tombstone, so FINAL may stay within one."""


class Executes(Protocol):
    """What is used of clickhouse_driver.Client."""

    def execute(
        self, query: str, params: Mapping[str, Any] | None = None, *, settings: Mapping[str, Any] | None = None
    ) -> Sequence[tuple[Any, ...]]:
        """Run ``query`` and return its rows."""


@dataclass(frozen=True)
class View:
    """What a reader looks at; an empty brand or language means all of them."""

    window_s: int = 900
    brand: str = ""
    language: str = ""
    tenant: str = "default"


@dataclass(frozen=True)
class Period:
    """Half-open span [start, end) in Unix seconds that a view covers, cut at slots of its rollup.

    ``span`` seconds before ``start`` are the previous window: ``span`` is the whole number of slots that the window
    asks for, and ``end - start`` may be up to one slot longer, because the newest slot is still filling.
    """

    start: int
    end: int
    span: int
    step: int
    short: bool
    """True when rollup_recent holds it."""


@dataclass(frozen=True)
class Counts:
    """Sums of rollup rows. ``mentions`` counts the unsure ones too, the shares of labels do not.

    ``confidence`` (of those with a label) and ``language_confidence`` (of all) are sums of per mille.
    """

    mentions: int = 0
    negative: int = 0
    neutral: int = 0
    positive: int = 0
    confidence: int = 0
    language_confidence: int = 0
    reach: int = 0
    unsure: int = 0

    @property
    def judged(self) -> int:
        """Mentions with a label."""
        return self.negative + self.neutral + self.positive

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(a + b for a, b in zip(self.astuple(), other.astuple(), strict=True)))

    def astuple(self) -> tuple[int, ...]:
        """The fields, in order."""
        return (
            self.mentions,
            self.negative,
            self.neutral,
            self.positive,
            self.confidence,
            self.language_confidence,
            self.reach,
            self.unsure,
        )


NOTHING: Final = Counts()


@dataclass(frozen=True)
class Pair:
    """Counts of the window and of the one before it."""

    now: Counts = NOTHING
    before: Counts = NOTHING

    def __add__(self, other: "Pair") -> "Pair":
        return Pair(self.now + other.now, self.before + other.before)


@dataclass(frozen=True)
class SlotCounts:
    """One bar: label counts of one key in one slot."""

    key: str
    slot: int
    negative: int
    neutral: int
    positive: int
    unsure: int = 0


@dataclass(frozen=True)
class FeedRow:
    """One mention of the feed; probabilities in per mille, match ranges in code points of the (cut) text."""

    mention_id: str
    source: str
    text: str
    text_chars: int
    published_at: datetime
    stored_at: datetime
    language: str
    language_confidence: int
    brands: tuple[str, ...]
    matches: tuple[tuple[str, int, int], ...]
    label: str
    negative: int
    neutral: int
    positive: int
    model: str
    author: str
    url: str
    reach: int
    country: str
    revision: int


def period(view: View, now: float, *, split_language: bool = False) -> Period:
    """The span of ``view`` at ``now`` (Unix seconds): at least ``window_s``, cut where the rollups are cut.

    Windows up to 5 hours are cut at 10-second slots; longer ones at hours, because languages are in the hourly rollup
    only and every panel must cover the same span. ``split_language`` asks for a step that exists by language.
    """
    window = max(10, min(view.window_s, MAX_WINDOW_S))
    if window <= SHORT_WINDOW_S:
        step = next((s for s in SHORT_STEPS if window / s < MAX_SLOTS), SHORT_STEPS[-1])
        grain = 10
    else:
        finer = () if split_language or view.language else MINUTE_STEPS
        step = next((s for s in (*finer, *HOUR_STEPS) if window / s < MAX_SLOTS), HOUR_STEPS[-1])
        grain = 3600
    cut = max(grain, step)
    moment = int(now)
    start = (moment - window) // cut * cut
    end = moment // grain * grain + grain
    return Period(start, end, window // grain * grain, step, window <= SHORT_WINDOW_S)


def _source(span: Period, by_minute: bool = False) -> tuple[str, str]:
    """Table and time column that hold ``span``."""
    if span.short:
        return "rollup_recent", "slot"
    return ("rollup_minute", "minute") if by_minute else ("rollup_hour", "hour")


def _parameters(view: View, span: Period) -> dict[str, Any]:
    return {
        "tenant": view.tenant,
        "brand": view.brand,
        "language": view.language,
        "start": span.start,
        "end": span.end,
        "before": span.start - span.span,
        "step": span.step,
    }


_JUDGED: Final = "label IN ('negative', 'neutral', 'positive')"
"""Instead of `label != 'unsure'`: a table that has not been migrated to 0004 does not know that word."""

_SUMS = f"""
    sum(mentions) AS n, sumIf(mentions, label = 'negative'), sumIf(mentions, label = 'neutral'),
    sumIf(mentions, label = 'positive'), sumIf(confidence_sum, {_JUDGED}), sum(language_confidence_sum),
    sum(reach_sum), sumIf(mentions, NOT {_JUDGED})"""


def _pairs(client: Executes, view: View, span: Period, key: str, where: str) -> dict[str, Pair]:
    table, column = _source(span)
    rows = client.execute(
        f"SELECT toString({key}) AS key, {column} >= toDateTime(%(start)s, 'UTC') AS current, {_SUMS}"  # noqa: S608 - names
        f" FROM {table} FINAL"
        f" WHERE tenant = %(tenant)s AND {column} >= toDateTime(%(before)s, 'UTC')"
        f" AND {column} < toDateTime(%(end)s, 'UTC') AND {where}"
        " GROUP BY key, current HAVING n > 0",
        _parameters(view, span),
        settings=READ,
    )
    found: dict[str, Pair] = {}
    for name, current, *sums in rows:
        counts = Counts(*(int(value) for value in sums))
        pair = found.get(name, Pair())
        found[name] = replace(pair, now=counts) if current else replace(pair, before=counts)
    return found


def by_language(client: Executes, view: View, span: Period) -> dict[str, Pair]:
    """Counts by language of the view's brand (all mentions without one); the view's language filters too."""
    where = "brand = %(brand)s" + (" AND language = %(language)s" if view.language else "")
    return _pairs(client, view, span, "language", where)


def by_brand(client: Executes, view: View, span: Period) -> dict[str, Pair]:
    """Counts by brand; a mention of two brands is in both. The view's brand and language filter."""
    where = "brand != ''"
    where += " AND brand = %(brand)s" if view.brand else ""
    where += " AND language = %(language)s" if view.language else ""
    return _pairs(client, view, span, "brand", where)


def series(client: Executes, view: View, span: Period, by: str = "total") -> list[SlotCounts]:
    """Label counts by slot of ``span.step`` seconds, ascending; ``by`` is total, language or brand. No empty slots."""
    key = {"total": "''", "language": "language", "brand": "brand"}[by]
    split_language = by == "language" or bool(view.language)
    table, column = _source(span, by_minute=not split_language and span.step < 3600)
    where = "brand != ''" if by == "brand" and not view.brand else "brand = %(brand)s"
    where += " AND language = %(language)s" if view.language else ""
    rows = client.execute(
        f"SELECT toString({key}) AS key, intDiv(toUnixTimestamp({column}), %(step)s) * %(step)s AS at,"  # noqa: S608 - names
        " sumIf(mentions, label = 'negative'), sumIf(mentions, label = 'neutral'), sumIf(mentions, label = 'positive'),"
        f" sumIf(mentions, NOT {_JUDGED}), sum(mentions) AS n FROM {table} FINAL"
        f" WHERE tenant = %(tenant)s AND {column} >= toDateTime(%(start)s, 'UTC')"
        f" AND {column} < toDateTime(%(end)s, 'UTC') AND {where}"
        " GROUP BY key, at HAVING n > 0 ORDER BY at, key",
        _parameters(view, span),
        settings=READ,
    )
    return [SlotCounts(key, int(at), *(int(count) for count in counts)) for key, at, *counts, _ in rows]


_FEED = """
SELECT lower(hex(mention_id)), source, substringUTF8(text, 1, %(chars)s), lengthUTF8(text), published_at, stored_at,
  language, language_confidence, brands, match_brand, match_start, match_end,
  toString(label), negative, neutral, positive, model, author, url, reach, country, revision
FROM mentions FINAL
WHERE tenant = %(tenant)s AND is_deleted = 0
  AND published_at >= toDateTime64(%(start)s, 3, 'UTC') AND published_at <= toDateTime64(%(now)s, 3, 'UTC')"""


def feed(
    client: Executes,
    view: View,
    span: Period,
    now: float,
    limit: int,
    *,
    after: tuple[int, str] | None = None,
    label: str = "",
) -> list[FeedRow]:
    """Newest mentions of the view by their own time, at most ``limit`` (200 at most).

    ``after`` is (published_at in milliseconds, mention id) of the last row of the page before.
    """
    sql = _FEED
    sql += " AND has(brands, %(brand)s)" if view.brand else ""
    sql += " AND language = %(language)s" if view.language else ""
    sql += " AND toString(label) = %(label)s" if label else ""
    parameters = {**_parameters(view, span), "now": int(now) + 1, "limit": max(1, min(limit, MAX_MENTIONS))}
    parameters |= {"label": label, "chars": MAX_TEXT_CHARS}
    if after is not None:
        sql += (
            " AND (published_at, mention_id) < (fromUnixTimestamp64Milli(toInt64(%(after_ms)s), 'UTC'),"
            " toUUID(%(after_id)s))"
        )
        parameters |= {"after_ms": after[0], "after_id": after[1]}
    sql += " ORDER BY published_at DESC, mention_id DESC LIMIT %(limit)s"
    return [_feed_row(row) for row in client.execute(sql, parameters, settings=READ)]


def _feed_row(row: Sequence[Any]) -> FeedRow:
    (ident, source, text, chars, published, stored, language, sure, brands, names, starts, ends, *rest) = row
    label, negative, neutral, positive, model, author, url, reach, country, revision = rest
    return FeedRow(
        mention_id=ident,
        source=source,
        text=_text(text),
        text_chars=int(chars),
        published_at=_utc(published),
        stored_at=_utc(stored),
        language=language,
        language_confidence=sure,
        brands=tuple(brands),
        matches=tuple(zip(names, starts, ends, strict=False)),
        label=label,
        negative=negative,
        neutral=neutral,
        positive=positive,
        model=model,
        author=_text(author),
        url=_text(url),
        reach=reach,
        country=country,
        revision=revision,
    )


def newest_stored(client: Executes, view: View, now: float) -> datetime | None:
    """When the newest mention published in the last 24 hours was stored; None when there is none.

    Bounded by the sorting key: a look over the whole table every second would grow with it.
    """
    rows = client.execute(
        "SELECT count(), max(stored_at) FROM mentions WHERE tenant = %(tenant)s"
        " AND published_at >= toDateTime(%(since)s, 'UTC')",
        {"tenant": view.tenant, "since": int(now) // 3600 * 3600 - 86400},
        settings=READ,
    )
    return _utc(rows[0][1]) if rows[0][0] else None


@dataclass(frozen=True)
class DeadCounts:
    """Open dead letters by distinct origin: in the window, in all, and the commonest reasons within the window."""

    window: int
    total: int
    reasons: tuple[tuple[str, int], ...]


def dead_letters(client: Executes, span: Period) -> DeadCounts:
    """Count dead letters. They are of all tenants: what cannot be read does not say whose it was."""
    origin = "(incarnation, topic, partition, offset)"
    rows = client.execute(
        f"SELECT reason, uniqExactIf({origin}, failed_at >= toDateTime(%(start)s, 'UTC')) AS recent,"  # noqa: S608 - names
        f" uniqExact({origin}) AS ever FROM dead_letters FINAL WHERE NOT ({CLOSED})"
        " GROUP BY reason ORDER BY recent DESC, ever DESC, reason",
        {"start": span.start},
        settings=READ,
    )
    return DeadCounts(
        window=sum(int(recent) for _, recent, _ in rows),
        total=sum(int(ever) for _, _, ever in rows),
        reasons=tuple((reason, int(recent)) for reason, recent, _ in rows if recent)[:5],
    )


def brand_names(client: Executes, view: View, span: Period) -> list[str]:
    """Brands with a mention in the window, for the filter."""
    return sorted(by_brand(client, replace(view, brand="", language=""), span))


@dataclass(frozen=True)
class SampleVerdict:
    """How often a sample text of the demo was judged so: ``key`` is the sample's, language and label the pipeline's."""

    key: str
    language: str
    label: str
    mentions: int


def sample_verdicts(client: Executes, view: View, span: Period) -> list[SampleVerdict]:
    """Judgements of the demo's mentions by sample text: their source is ``demo-*``, their id ``run:sample key:n``."""
    rows = client.execute(
        "SELECT splitByChar(':', source_id)[2] AS key, toString(language), toString(label), count()"
        " FROM mentions FINAL WHERE tenant = %(tenant)s AND is_deleted = 0 AND startsWith(source, 'demo-')"
        " AND published_at >= toDateTime(%(start)s, 'UTC') GROUP BY key, language, label",
        _parameters(view, span),
        settings=READ,
    )
    return [SampleVerdict(key, language, label, int(n)) for key, language, label, n in rows if key]


def _utc(moment: datetime) -> datetime:
    """clickhouse-driver returns DateTime64 with a zone as aware, without one as naive: both are UTC here."""
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _text(value: str | bytes) -> str:
    """clickhouse-driver returns bytes where a String is not UTF-8."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
