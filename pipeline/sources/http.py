"""``POST /v1/mentions``: mentions and deletions by HTTP, answered only after Kafka confirmed them.

======  =====================================================================================
202     every item is accepted (confirmed by Kafka)
207     some items are accepted, the others refused: see ``results``
400     no item is accepted, or the body is not JSON
401     no or a wrong bearer token
408     the body did not arrive in time
413     the body or the number of items is over the limit; nothing is accepted
415     the body is compressed
429     too many mentions for now; nothing is accepted; ``Retry-After`` in seconds
503     Kafka did not confirm in time: items marked ``unconfirmed`` must be sent again
======  =====================================================================================
"""

import asyncio
import functools
import hashlib
import hmac
import math
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from pipeline.metrics import INGEST
from pipeline.settings import Settings
from pipeline.sources.body import BodyRefused, read_limited, split
from pipeline.sources.entrance import Answer, Entrance
from pipeline.sources.ratelimit import RateLimiter
from schemas.events import Mention, MentionDeleted

BODY_TIMEOUT_S = 30.0
THREADS = 8
MAX_WAITING = 64
"""Requests that wait for Kafka at once; more are told to come back."""

Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def build_router(settings: Settings) -> APIRouter:
    """Return the router; it connects to Kafka with the first request and lets go when the application ends."""
    entrance = Entrance(settings)
    limiter = RateLimiter(settings.http_rate_per_s, max(settings.http_burst, settings.http_max_items))
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mentions")
    waiting = 0

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(entrance.close)
        threads.shutdown(wait=False, cancel_futures=True)

    router = APIRouter(lifespan=lifespan)

    @router.post(
        "/v1/mentions",
        summary="Send mentions (one, or a batch)",
        description="Nothing is answered as accepted before Kafka confirmed it. Sending the same again is safe.",
        tags=["mentions"],
        status_code=202,
        openapi_extra={"requestBody": _request_schema()},
        responses=_responses(),
        response_class=Response,
    )
    async def post_mentions(request: Request, credentials: Credentials) -> Response:
        nonlocal waiting
        caller = _authenticate(settings, credentials)
        if caller is None:
            return _refusal(BodyRefused(401, "unauthorized", _how_to_authenticate(settings)))
        if (retry_s := limiter.take(caller, 1)) > 0:
            return _limited(retry_s)
        try:
            items = await _items(request, settings)
        except BodyRefused as refused:
            INGEST.labels("http", refused.reason).inc()
            return _refusal(refused)
        if (retry_s := limiter.take(caller, len(items) - 1)) > 0:
            return _limited(retry_s)
        if waiting >= MAX_WAITING:
            INGEST.labels("http", "busy").inc(len(items))
            return _refusal(BodyRefused(503, "busy", "too many requests wait for Kafka"), {"Retry-After": "1"})
        waiting += 1
        try:
            work = functools.partial(entrance.submit, items, settings.http_confirm_timeout_s)
            answer = await asyncio.get_running_loop().run_in_executor(threads, work)
        finally:
            waiting -= 1
        return _json(answer, answer.http_status, {"Retry-After": "5"} if answer.unconfirmed else None)

    return router


async def _items(request: Request, settings: Settings) -> list[bytes]:
    """The items of the body. Raises BodyRefused."""
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise BodyRefused(415, "compressed", f"content-encoding {encoding[:20]!r}: send the body uncompressed")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            body = await read_limited(
                request.stream(), request.headers.get("content-length"), settings.http_max_body_bytes
            )
    except TimeoutError:
        raise BodyRefused(408, "slow", f"the body did not arrive within {BODY_TIMEOUT_S:.0f} s") from None
    return split(body, request.headers.get("content-type", ""), settings.http_max_items)


def _authenticate(settings: Settings, credentials: HTTPAuthorizationCredentials | None) -> str | None:
    """A name for the caller's bucket, or None when the token is missing, wrong, or not set here."""
    if settings.api_token is None or credentials is None:
        return None
    given, wanted = credentials.credentials.encode(), settings.api_token.get_secret_value().encode()
    if not wanted or not hmac.compare_digest(given, wanted):
        return None
    return hashlib.blake2b(given, digest_size=8).hexdigest()


def _how_to_authenticate(settings: Settings) -> str:
    if settings.api_token is None:
        return "this server has no API token, so that nobody can send: set BABELWATCH_API_TOKEN and start it again"
    return "send the header `Authorization: Bearer TOKEN` with the server's BABELWATCH_API_TOKEN"


def _limited(retry_s: float) -> Response:
    INGEST.labels("http", "rate_limited").inc()
    message = f"too many mentions for this token: again in {retry_s:.1f} s, or send smaller batches"
    return _refusal(BodyRefused(429, "rate_limited", message), {"Retry-After": str(math.ceil(retry_s))})


def _refusal(refused: BodyRefused, headers: dict[str, str] | None = None) -> Response:
    extra = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else {}
    error = {"error": {"reason": refused.reason, "message": refused.message}}
    return _json(error, refused.status, extra | (headers or {}))


def _json(content: object, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def _inline(cls: type) -> dict[str, Any]:
    """JSON Schema of a msgspec class with its definitions in place, as a router cannot add components."""
    _, components = msgspec.json.schema_components([cls], ref_template="{name}")

    def resolve(node: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(node, dict):
            return resolve(components[node["$ref"]]) if "$ref" in node else {k: resolve(v) for k, v in node.items()}
        return [resolve(child) for child in node] if isinstance(node, list) else node

    schema: dict[str, Any] = resolve(components[cls.__name__])
    return schema


def _request_schema() -> dict[str, Any]:
    event = {"anyOf": [_inline(Mention), _inline(MentionDeleted)]}
    example = {"source": "forum", "id": "42", "text": "Lumora foi ótimo", "published_at": "2026-11-23T18:00:00Z"}
    return {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [event, {"type": "array", "items": event, "minItems": 1}]},
                "example": [example],
            },
            "application/x-ndjson": {"schema": {"type": "string", "description": "one event per line"}},
        },
    }


def _responses() -> dict[int | str, dict[str, Any]]:
    results = {"application/json": {"schema": _inline(Answer)}}
    error = {
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {"reason": {"type": "string"}, "message": {"type": "string"}},
                "required": ["reason", "message"],
            }
        },
        "required": ["error"],
    }
    refusal = {"application/json": {"schema": error}}
    either = {"application/json": {"schema": {"oneOf": [_inline(Answer), error]}}}
    return {
        202: {"description": "Every item is accepted and confirmed by Kafka", "content": results},
        207: {"description": "Some items are accepted; `results` says which are not and why", "content": results},
        400: {"description": "No item is accepted, or the body is not JSON", "content": either},
        401: {"description": "No or a wrong bearer token", "content": refusal},
        408: {"description": "The body did not arrive in time", "content": refusal},
        413: {"description": "Too large or too many items; nothing is accepted", "content": refusal},
        415: {"description": "The body is compressed", "content": refusal},
        429: {"description": "Too many mentions for now; see Retry-After", "content": refusal},
        503: {"description": "Kafka did not confirm in time: send the unconfirmed again", "content": either},
    }
