"""From the body of a request to the bytes of each mention in it, never reading more than was allowed."""

import re
from collections.abc import AsyncIterable
from dataclasses import dataclass

import msgspec

NDJSON = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")

_items = msgspec.json.Decoder(list[msgspec.Raw])
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|["\[\]{},]', re.DOTALL)


@dataclass(eq=False)
class BodyRefused(Exception):
    """The body as a whole cannot be taken. ``status`` is the HTTP status."""

    status: int
    reason: str
    message: str


async def read_limited(chunks: AsyncIterable[bytes], declared: str | None, limit: int) -> bytes:
    """The whole body. Raises BodyRefused (413) as soon as it is more than ``limit`` bytes, declared or not."""
    refused = BodyRefused(413, "too_large", f"the body is larger than {limit} bytes: send smaller batches")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise refused
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise refused
        parts.append(chunk)
    return b"".join(parts)


def split(body: bytes, content_type: str, max_items: int) -> list[bytes]:
    """The bytes of each item: one object, an array of them, or one per line (NDJSON by content type).

    Items are not looked into: a bad one must not spoil its batch. Raises BodyRefused: 400 for what is none of these,
    413 for more than ``max_items``.
    """
    if content_type.partition(";")[0].strip().lower() in NDJSON:
        items = [line for line in (raw.strip() for raw in body.split(b"\n")) if line]
    else:
        items = _split_json(body.strip())
    if not items:
        raise BodyRefused(400, "empty", "the body holds no mention")
    if len(items) > max_items:
        raise BodyRefused(413, "too_many", f"{len(items)} mentions in one request; at most {max_items} are accepted")
    return items


def _split_json(body: bytes) -> list[bytes]:
    if body.startswith(b"{"):
        return [body]
    if not body.startswith(b"["):
        raise BodyRefused(400, "not_json", "the body is neither a JSON object nor a JSON array of objects")
    try:
        return [bytes(item) for item in _items.decode(body)]
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # One bad item (a lone surrogate, nesting without end) fails the whole array: cut it by its brackets instead.
        items = _cut(body)
        if items is None:
            raise BodyRefused(400, "not_json", f"the body is not JSON: {error}") from None
        return items


def _cut(body: bytes) -> list[bytes] | None:
    """Elements of the array in ``body`` by brackets, commas and strings alone, or None when these do not close."""
    items: list[bytes] = []
    depth, start = 0, 1
    for token in _TOKENS.finditer(body):
        kind = token.group()
        if kind == b'"':  # a string that does not end
            return None
        if kind in (b"[", b"{"):
            depth += 1
        elif kind in (b"]", b"}"):
            depth -= 1
        if (kind == b"," and depth == 1) or depth == 0:
            items.append(body[start : token.start()].strip())
            start = token.end()
        if depth == 0:
            closed = not body[start:].strip()
            return (items if items != [b""] else []) if closed else None
    return None
