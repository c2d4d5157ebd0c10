"""The dashboard's application: page, API, stream, and the HTTP source of mentions."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pipeline.dashboard.api import build_api
from pipeline.dashboard.database import Database
from pipeline.dashboard.gold import load_gold
from pipeline.dashboard.live import Hub
from pipeline.dashboard.pipeline_watch import PipelineWatch
from pipeline.dashboard.routes_pipeline import build_pipeline_routes
from pipeline.dashboard.routes_trust import build_trust_routes
from pipeline.dashboard.security import Guard
from pipeline.dashboard.trust import TrustBook
from pipeline.errors import BabelwatchError
from pipeline.settings import Settings
from pipeline.sources.http import build_router
from pipeline.store.queries import View

STATIC: Final = Path(__file__).parent / "static"


class _Assets(StaticFiles):
    """Files whose name holds a hash of their content: a browser may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200:
            response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def create_app(settings: Settings) -> FastAPI:
    """Build the application. Raises SettingsError when the token or ClickHouse's address is missing.

    ClickHouse need not answer: the API says 503 with the reason, and recovers by itself.
    """
    database = Database(settings)
    gold = load_gold() if settings.demo else None
    book = TrustBook(settings)
    hub = Hub(database, gold, book)
    watch = PipelineWatch(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watch.start()
        yield
        watch.stop()
        await hub.close()
        database.close()

    app = FastAPI(
        title="babelwatch",
        summary="What is being said about a brand, in which mood, in every language",
        version="1",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # Swagger UI needs inline scripts and somebody else's server
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(build_api(database, hub, gold, book), tags=["dashboard"])
    app.include_router(build_trust_routes(database, book), tags=["dashboard"])
    app.include_router(build_pipeline_routes(watch), tags=["dashboard"])
    app.include_router(build_router(settings), tags=["source"])

    @app.exception_handler(BabelwatchError)
    async def unavailable(_: Request, error: BabelwatchError) -> JSONResponse:
        return JSONResponse(
            {"detail": str(error), "code": type(error).__name__}, 503, {"Retry-After": "2", "Cache-Control": "no-store"}
        )

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        index = STATIC / "index.html"
        if not index.exists():
            return PlainTextResponse(
                "The page is not built: run `make frontend`, then reload. The API under /api/v1 works without it.\n",
                503,
            )
        with suppress(BabelwatchError):  # its stream will say so
            hub.open(_view_of(request))
        return FileResponse(index, headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.svg", include_in_schema=False)
    async def favicon() -> Response:
        return FileResponse(STATIC / "favicon.svg")

    @app.get("/health", include_in_schema=False)
    async def health() -> dict[str, str]:
        """The process answers. Whether the data is fresh is in /api/v1/summary."""
        return {"status": "ok"}

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    if (STATIC / "assets").is_dir():
        app.mount("/assets", _Assets(directory=STATIC / "assets"), name="assets")
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=5)
    app.add_middleware(Guard, settings=settings)
    # a missing token is said now, not with the first request
    Guard(app, settings)
    app.state.hub = hub
    return app


def _view_of(request: Request) -> View:
    """The view that the page will ask for, from the address of the page itself."""
    query = request.query_params
    window, brand, language = query.get("window", "900"), query.get("brand", ""), query.get("language", "")
    if not re.fullmatch(r"\d{2,8}", window) or len(brand) > 128 or len(language) > 35:
        return View()
    return View(int(window), brand, language)
