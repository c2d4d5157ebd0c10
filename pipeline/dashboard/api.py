"""/api/v1: the numbers of the page, typed, documented, bounded. Every route takes the same filters."""

import base64
import binascii
import re
import time
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, TypeVar

from clickhouse_driver import Client
from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request
from sse_starlette import EventSourceResponse

from pipeline.dashboard import convert, models
from pipeline.dashboard.database import Database
from pipeline.dashboard.gold import Gold
from pipeline.dashboard.live import Hub
from pipeline.dashboard.trust import TrustBook
from pipeline.store import queries as q

T = TypeVar("T")

WINDOW = Query(ge=60, le=q.MAX_WINDOW_S, description="length of the window in seconds; 900 is a quarter of an hour")
UNAVAILABLE: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": models.Problem, "description": "ClickHouse does not answer or refuses; says why"}
}


def view(
    window_s: Annotated[int, WINDOW] = 900,
    brand: Annotated[str, Query(max_length=128, description="id of a brand; empty for all")] = "",
    language: Annotated[str, Query(max_length=35, description="BCP 47 tag, e.g. pt or hi-Latn; empty for all")] = "",
    tenant: Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = "default",
) -> q.View:
    """The filters that every route takes."""
    return q.View(window_s=window_s, brand=brand, language=language, tenant=tenant)


Filters = Annotated[q.View, Depends(view)]


def cursor_of(item: models.MentionItem) -> str:
    """Opaque position behind ``item``."""
    raw = f"{int(item.published_at.timestamp() * 1000)}.{item.id}"
    return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")


def parse_cursor(cursor: str) -> tuple[int, str]:
    """Position of a cursor. Raises 422 when it is not one of ours."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raw = ""
    match = re.fullmatch(r"(-?\d{1,14})\.([0-9a-f]{32})", raw)
    if match is None:
        raise HTTPException(422, "cursor: use the `next` of an earlier answer")
    return int(match[1]), match[2]


def build_api(
    database: Database,
    hub: Hub,
    gold: dict[str, Gold] | None,
    book: TrustBook,
    clock: Callable[[], float] = time.time,
) -> APIRouter:
    """The routes. ``gold`` is None outside demo mode."""
    api = APIRouter(prefix="/api/v1", responses=UNAVAILABLE)

    async def ask(work: Callable[[Client], T]) -> T:
        return await database.run(work)

    @api.get("/summary")
    async def summary(filters: Filters) -> models.Summary:
        """Mentions, net sentiment now and in the window before, dead letters, the newest mention's age and model."""
        now = clock()
        period = q.period(filters, now)
        return await ask(
            lambda client: convert.summary(
                filters,
                period,
                q.by_language(client, filters, period),
                q.dead_letters(client, period),
                q.newest_stored(client, filters, now),
                now,
                book.judge(client, filters.tenant, now),
            )
        )

    @api.get("/series")
    async def series(
        filters: Filters,
        by: Annotated[Literal["total", "language", "brand"], Query(description="one line per what")] = "total",
        limit: Annotated[int, Query(ge=1, le=q.MAX_SERIES, description="lines at most, most mentions first")] = 50,
    ) -> models.Series:
        """Volume by label over time, in slots of 10 s and longer, without gaps."""
        now = clock()
        period = q.period(filters, now, split_language=by == "language")
        return await ask(
            lambda client: convert.series(filters, period, q.series(client, filters, period, by), by, now, limit)
        )

    @api.get("/languages")
    async def languages(filters: Filters) -> models.Languages:
        """Mentions, shares, net sentiment, how sure the model is and how far to trust it, by language."""
        now = clock()
        period = q.period(filters, now)
        return await ask(
            lambda client: convert.languages(
                filters, period, q.by_language(client, filters, period), book.marks(client, filters.tenant, now)
            )
        )

    @api.get("/brands")
    async def brands(filters: Filters) -> models.Brands:
        """The brands side by side; a mention of two brands counts for both."""
        period = q.period(filters, clock())
        return await ask(lambda client: convert.brands(filters, period, q.by_brand(client, filters, period)))

    @api.get("/mentions")
    async def mentions(
        filters: Filters,
        limit: Annotated[int, Query(ge=1, le=q.MAX_MENTIONS)] = 50,
        cursor: Annotated[str, Query(max_length=100, description="`next` of an earlier answer")] = "",
        label: Annotated[Literal["", "negative", "neutral", "positive", "unsure"], Query()] = "",
    ) -> models.Mentions:
        """Newest mentions of the window by their own time; the text in segments, those that name a brand marked."""
        now = clock()
        after = parse_cursor(cursor) if cursor else None
        period = q.period(filters, now)
        rows = await ask(lambda client: q.feed(client, filters, period, now, limit, after=after, label=label))
        items = [convert.mention(row) for row in rows]
        return models.Mentions(mentions=items, next=cursor_of(items[-1]) if len(items) == limit else None)

    @api.get("/agreement", responses={404: {"model": models.Problem, "description": "not in demo mode"}})
    async def agreement(filters: Filters) -> models.Agreement:
        """Demo mode: agreement with the gold labels of the sample, by language, over distinct texts."""
        if gold is None:
            raise HTTPException(404, "there are gold labels in demo mode only (BABELWATCH_DEMO=1)")
        period = q.period(filters, clock())
        return await ask(lambda client: convert.agreement(q.sample_verdicts(client, filters, period), gold))

    @api.get("/stream", response_class=EventSourceResponse)
    async def stream(
        request: Request,
        filters: Filters,
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> EventSourceResponse:
        """Server-sent events, about one round a second: `summary`, `series`, `languages`, `brands`, `mentions`,
        `agreement` where they changed, and always `tick`. A connection resumes after its `Last-Event-ID`.
        """
        hub.open(filters)  # refuses here, while the status can still say so
        resume = last_event_id or request.query_params.get("last_event_id")
        return EventSourceResponse(
            hub.events(filters, resume), ping=10, send_timeout=30, headers={"Cache-Control": "no-store"}
        )

    return api
