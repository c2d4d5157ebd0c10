"""Rows of the queries -> what the API answers. Pure: no database, no web."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit

from pipeline.dashboard import models as m
from pipeline.dashboard.gold import Gold
from pipeline.dashboard.statistics import FEW, net_sentiment, wilson
from pipeline.dashboard.trust import Marks
from pipeline.store import queries as q
from pipeline.store.newest_model import NOBODY, Judge
from schemas.events import UNSURE


def span(view: q.View, period: q.Period) -> m.Span:
    """The period as the API says it."""
    return m.Span(start=period.start, end=period.end, window_s=view.window_s, step_s=period.step)


def share(successes: int, total: int) -> m.Share:
    """A share with its interval; ``total`` must be positive."""
    value, low, high = wilson(successes, total)
    return m.Share(share=round(value, 4), low=round(low, 4), high=round(high, 4))


def mood(counts: q.Counts) -> m.Mood:
    """Counts with shares, net sentiment and their intervals, which are of the judged mentions alone."""
    n, judged = counts.mentions, counts.judged
    if n <= 0:
        return m.Mood(few=True)
    found = m.Mood(
        mentions=n,
        negative=counts.negative,
        neutral=counts.neutral,
        positive=counts.positive,
        unsure=counts.unsure,
        judged=judged,
        coverage=round(judged / n, 4),
        few=judged < FEW,
        language_confidence=round(counts.language_confidence / n / 1000, 4),
        reach=counts.reach,
    )
    if judged:
        net = net_sentiment(counts.negative, counts.neutral, counts.positive)
        found.negative_share = share(counts.negative, judged)
        found.neutral_share = share(counts.neutral, judged)
        found.positive_share = share(counts.positive, judged)
        found.net, found.net_low, found.net_high = round(net.value, 4), round(net.low, 4), round(net.high, 4)
        found.confidence = round(counts.confidence / judged / 1000, 4)
    return found


def summary(
    view: q.View,
    period: q.Period,
    languages: Mapping[str, q.Pair],
    dead: q.DeadCounts,
    newest: datetime | None,
    now: float,
    judge: Judge = NOBODY,
) -> m.Summary:
    """Key numbers: the sum over the languages (or the one the view asks for), so that they agree with the table."""
    chosen = [pair for tag, pair in languages.items() if view.language in {"", tag}]
    total = sum(chosen, q.Pair())
    current, before = mood(total.now), mood(total.before)
    elapsed = max(1.0, min(now, period.end) - period.start)
    return m.Summary(
        period=span(view, period),
        mood=current,
        previous=before,
        per_minute=round(current.mentions * 60 / elapsed, 2),
        previous_per_minute=round(before.mentions * 60 / period.span, 2),
        net_change=None if current.net is None or before.net is None else round(current.net - before.net, 4),
        dead_letters=m.DeadLetters(window=dead.window, total=dead.total, reasons=dict(dead.reasons)),
        newest_stored_at=newest,
        newest_stored_age_s=None if newest is None else round(max(0.0, now - newest.timestamp()), 1),
        model=judge.model or None,
        rule=judge.rule or None,
    )


def series(
    view: q.View,
    period: q.Period,
    rows: Iterable[q.SlotCounts],
    by: Literal["total", "language", "brand"],
    now: float,
    limit: int,
) -> m.Series:
    """Lines over all slots of the period up to ``now``; later slots only where they hold something."""
    found: dict[str, dict[int, q.SlotCounts]] = defaultdict(dict)
    totals: Counter[str] = Counter()
    last = int(now)
    for row in rows:
        found[row.key][row.slot] = row
        totals[row.key] += row.negative + row.neutral + row.positive + row.unsure
        last = max(last, row.slot)
    slots = list(range(period.start // period.step * period.step, min(last + 1, period.end), period.step))
    shown = [key for key, _ in sorted(totals.items(), key=lambda item: (-item[1], item[0]))][:limit]
    if by == "total":
        shown = [""]
    empty = q.SlotCounts("", 0, 0, 0, 0)
    lines = []
    for key in shown:
        cells = [found[key].get(slot, empty) for slot in slots]
        lines.append(
            m.Line(
                key=key,
                negative=[cell.negative for cell in cells],
                neutral=[cell.neutral for cell in cells],
                positive=[cell.positive for cell in cells],
                unsure=[cell.unsure for cell in cells],
            )
        )
    others = sum(count for key, count in totals.items() if key not in shown)
    return m.Series(period=span(view, period), by=by, slots=slots, series=lines, others=others)


def _ranked(pairs: Mapping[str, q.Pair]) -> list[tuple[str, q.Pair]]:
    return sorted(pairs.items(), key=lambda item: (-item[1].now.mentions, item[0]))


def languages(view: q.View, period: q.Period, pairs: Mapping[str, q.Pair], trust: Marks) -> m.Languages:
    """The table by language."""
    total = sum(pair.now.mentions for pair in pairs.values()) or 1
    return m.Languages(
        period=span(view, period),
        languages=[
            m.LanguageRow(
                language=tag,
                trust=trust.of(tag),
                mood=mood(pair.now),
                previous=mood(pair.before),
                mentions=pair.now.mentions,
                share=round(pair.now.mentions / total, 4),
            )
            for tag, pair in _ranked(pairs)
        ],
    )


def brands(view: q.View, period: q.Period, pairs: Mapping[str, q.Pair]) -> m.Brands:
    """The brands side by side."""
    total = sum(pair.now.mentions for pair in pairs.values()) or 1
    return m.Brands(
        period=span(view, period),
        brands=[
            m.BrandRow(
                brand=name,
                mood=mood(pair.now),
                previous=mood(pair.before),
                mentions=pair.now.mentions,
                share_of_voice=round(pair.now.mentions / total, 4),
            )
            for name, pair in _ranked(pairs)
        ],
    )


def segments(text: str, matches: Iterable[tuple[str, int, int]]) -> list[m.Segment]:
    """Cut ``text`` at the places that name a brand, so that no reader has to count characters.

    Ranges are code points; one that is empty, reaches past the (cut) text or overlaps an earlier one is left out.
    """
    pieces: list[m.Segment] = []
    at = 0
    for brand, start, end in sorted(matches, key=lambda match: (match[1], -match[2])):
        if start < at or end <= start or end > len(text):
            continue
        if start > at:
            pieces.append(m.Segment(text=text[at:start]))
        pieces.append(m.Segment(text=text[start:end], brand=brand))
        at = end
    if at < len(text) or not pieces:
        pieces.append(m.Segment(text=text[at:]))
    return pieces


def safe_url(url: str) -> str | None:
    """``url`` if it is http or https with a host and without credentials or control characters, else None."""
    if not url or any(ord(c) <= 32 or c == "\\" for c in url):
        return None
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    return url if parts.scheme in {"http", "https"} and host and "@" not in parts.netloc else None


def mention(row: q.FeedRow) -> m.MentionItem:
    """One mention for the feed."""
    chances = {"negative": row.negative, "neutral": row.neutral, "positive": row.positive}
    return m.MentionItem(
        id=row.mention_id,
        source=row.source,
        published_at=row.published_at,
        stored_at=row.stored_at,
        language=row.language,
        language_confidence=row.language_confidence / 1000,
        brands=list(row.brands),
        segments=segments(row.text, row.matches),
        truncated=row.text_chars > len(row.text),
        label=row.label,  # type: ignore[arg-type]
        probability=chances.get(row.label, max(chances.values())) / 1000,
        negative=row.negative / 1000,
        neutral=row.neutral / 1000,
        positive=row.positive / 1000,
        model=row.model,
        author=row.author or None,
        url=safe_url(row.url),
        reach=row.reach,
        country=row.country or None,
        revision=row.revision,
    )


def agreement(verdicts: Iterable[q.SampleVerdict], gold: Mapping[str, Gold]) -> m.Agreement:
    """Compare with the gold labels, by gold language. A text that was replayed counts once, by its commonest label; one
    that is unsure neither agrees nor disagrees.
    """
    labels: dict[str, Counter[str]] = defaultdict(Counter)
    tags: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        if verdict.key in gold:
            labels[verdict.key][verdict.label] += verdict.mentions
            tags[verdict.key][verdict.language] += verdict.mentions
    by_language: dict[str, list[str]] = defaultdict(list)
    for key in labels:
        by_language[gold[key].language].append(key)
    rows = []
    for tag, keys in by_language.items():
        found = {key: _commonest(labels[key]) for key in keys}
        agree = sum(label == gold[key].label for key, label in found.items())
        unsure = sum(label == UNSURE for label in found.values())
        rows.append(
            m.AgreementRow(
                language=tag,
                texts=len(keys),
                unsure=unsure,
                agree=agree,
                agreement=share(agree, len(keys) - unsure) if len(keys) > unsure else None,
                language_agree=sum(_commonest(tags[key]) == gold[key].language for key in keys),
                mentions=sum(sum(labels[key].values()) for key in keys),
            )
        )
    rows.sort(key=lambda row: (-row.texts, row.language))
    texts, agree, doubtful = (sum(getattr(row, name) for row in rows) for name in ("texts", "agree", "unsure"))
    return m.Agreement(
        texts=texts,
        unsure=doubtful,
        agree=agree,
        agreement=share(agree, texts - doubtful) if texts > doubtful else None,
        languages=rows,
        sample_texts=len(gold),
    )


def _commonest(counts: Counter[str]) -> str:
    return min(counts, key=lambda name: (-counts[name], name))
