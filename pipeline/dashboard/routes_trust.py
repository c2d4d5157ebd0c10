"""/api/v1/trust: how far each language's labels can be trusted."""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import JSONResponse

from pipeline.dashboard import models
from pipeline.dashboard.database import Database
from pipeline.dashboard.models_trust import Trust, TrustRow
from pipeline.dashboard.trust import TrustBook
from pipeline.errors import ClickHouseRefused, ClickHouseUnavailable
from pipeline.sentiment.trust.table import TrustTable
from pipeline.sentiment.trust.words import MEANING

DAMAGED: Final = {"model": models.Problem, "description": "trust.json is damaged, or of another model; says which"}


def build_trust_routes(database: Database, book: TrustBook, clock: Callable[[], float] = time.time) -> APIRouter:
    """The route."""
    api = APIRouter(prefix="/api/v1")

    @api.get("/trust", response_model=Trust, responses={304: {"description": "as you have it"}, 503: DAMAGED})
    async def trust(
        tenant: Annotated[str, Query(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")] = "default",
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """Every language that the model may meet: level, macro-F1 with its interval, measured or estimated, and why.

        Of the model that judged the newest mention; when ClickHouse does not answer, of the one in the settings. The
        `ETag` begins with the model's version and changes with the table.
        """
        now = clock()
        try:
            table = await database.run(lambda client: book.current(client, tenant, now))
        except (ClickHouseUnavailable, ClickHouseRefused):
            table = await asyncio.to_thread(book.configured)
        body = answer(table).model_dump_json().encode()
        # weak: the answer may be compressed on its way
        tag = f'W/"{table.model or "none"}.{hashlib.sha256(body).hexdigest()[:12]}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if tag in [one.strip() for one in (if_none_match or "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=JSONResponse.media_type, headers=headers)

    return api


def answer(table: TrustTable) -> Trust:
    """The table as the API says it."""
    return Trust(
        model=table.model,
        rule=table.rule,
        data=table.data,
        worst=table.worst,
        meaning={str(level): text for level, text in MEANING.items()},
        languages=[TrustRow.model_validate(one) for one in table.languages],
        other=TrustRow.model_validate(table.other),
    )
