"""What became of everything that was sent, counted where it is stored: sent = stored + repeats + dead.

Sent is counted by the broker, repeats by the sender, dead letters by
:class:`pipeline.store.deadletters.DeadLetterStore`; here are the mentions. An *incarnation* is one life of the
broker's log (:class:`schemas.events.Origin`).
"""

from dataclasses import dataclass

from clickhouse_driver import Client

from pipeline.store.client import clear_errors


def stored_ids(client: Client, incarnation: str) -> int:
    """Distinct mention ids whose row, read FINAL, came from this incarnation; deleted ones are among them.

    A mention that an earlier incarnation had sent already stays that one's, unless it is edited or deleted.
    """
    with clear_errors(client):
        rows = client.execute(
            "SELECT uniqExact(mention_id) FROM mentions FINAL WHERE incarnation = %(i)s", {"i": incarnation}
        )
    return int(rows[0][0])


@dataclass(frozen=True)
class LanguageCount:
    """Mentions of one language by label, without deleted ones. ``confidence``: mean probability of the label, 0..1, of
    those that have one (0 when all are unsure).
    """

    language: str
    mentions: int
    negative: int
    neutral: int
    positive: int
    unsure: int
    confidence: float


def by_language(client: Client, incarnation: str | None = None) -> list[LanguageCount]:
    """Mentions by language, the most frequent first, of all incarnations or of one; from the truth, not the rollups."""
    where = "" if incarnation is None else " AND incarnation = %(i)s"
    with clear_errors(client):
        rows = client.execute(
            "WITH label IN ('negative', 'neutral', 'positive') AS judged "  # noqa: S608
            "SELECT language, count() AS n, countIf(label = 'negative'), countIf(label = 'neutral'), "
            "countIf(label = 'positive'), countIf(NOT judged), "
            "ifNotFinite(avgIf(greatest(negative, neutral, positive), judged) / 1000, 0) "
            f"FROM mentions FINAL WHERE is_deleted = 0{where} GROUP BY language ORDER BY n DESC, language",
            {"i": incarnation or ""},
        )
    return [LanguageCount(*row) for row in rows]


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the broker taking a message to its row being in ClickHouse (rows read FINAL)."""

    mentions: int
    p50: float
    p95: float
    p99: float
    max: float


def latency_ms(client: Client, incarnation: str) -> Latency | None:
    """Percentiles of ``stored_at - received_at``, or None without mentions.

    The two clocks are the broker's (or worker's) and ClickHouse's: on several machines they differ by their skew.
    """
    with clear_errors(client):
        rows = client.execute(
            "SELECT count(), quantilesExact(0.5, 0.95, 0.99)(d), max(d) FROM (SELECT toUnixTimestamp64Milli(stored_at) "
            "- toUnixTimestamp64Milli(received_at) AS d FROM mentions FINAL WHERE incarnation = %(i)s "
            "AND is_deleted = 0)",
            {"i": incarnation},
        )
    count, quantiles, largest = rows[0]
    if not count:
        return None
    p50, p95, p99 = (float(q) for q in quantiles)
    return Latency(int(count), p50, p95, p99, float(largest))
