"""Deterministic identities: the same mention gets the same id on every machine and at every redelivery."""

import hashlib
import unicodedata
from datetime import UTC, datetime

from schemas.events import MAX_REVISION

MAX_CORRECTION = 2**8 - 1
MAX_GENERATION = 2**12 - 1


def _digest(size: int, parts: list[str], key: bytes = b"") -> str:
    """BLAKE2b over length-prefixed parts, so that ('ab', 'c') and ('a', 'bc') differ."""
    state = hashlib.blake2b(digest_size=size, key=key)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        state.update(len(raw).to_bytes(8, "big"))
        state.update(raw)
    return state.hexdigest()


def utc_millis(moment: datetime) -> datetime:
    """``moment`` in UTC, cut to milliseconds (the resolution that ClickHouse keeps)."""
    utc = moment.astimezone(UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def mention_id(
    tenant: str, source: str, source_id: str | None, author: str | None, published_at: datetime | None, text: str
) -> str:
    """128-bit id as 32 hex digits: hash of (tenant, source, the source's own id).

    Without an id of the source's it is the hash of (tenant, source, author, published_at, text): the same words of
    the same author at the same millisecond are one mention.
    """
    if source_id is not None:
        return _digest(16, ["id", tenant, source, source_id])
    when = utc_millis(published_at).isoformat(timespec="milliseconds") if published_at else ""
    return _digest(16, ["content", tenant, source, author or "", when, text])


def text_hash(text: str) -> str:
    """64-bit hash as 16 hex digits of the text folded by NFKC, case and white space: copies of one text share it."""
    return _digest(8, [" ".join(unicodedata.normalize("NFKC", text).casefold().split())])


def author_key(secret: bytes, tenant: str, source: str, author: str | None) -> str:
    """Keyed 128-bit hash of an author as 32 hex digits, or ``""``: counts people without storing who they are."""
    return _digest(16, [tenant, source, author], key=secret[:64]) if author else ""


def truth_order(*, revision: int, deleted: bool = False, correction: int = 0, generation: int = 0) -> int:
    """Return the UInt64 by which two states of one mention id are ordered; the greater is the truth.

    Human correction (8 bits) before the source's revision (43 bits) before deletion (1 bit: gone beats its own
    revision's text) before rescore generation (12 bits). Time of writing has no part in it: a late redelivery must
    not overwrite an edit. Raises ValueError when a part does not fit.
    """
    for name, value, limit in (
        ("revision", revision, MAX_REVISION),
        ("correction", correction, MAX_CORRECTION),
        ("generation", generation, MAX_GENERATION),
    ):
        if not 0 <= value <= limit:
            raise ValueError(f"{name} {value} is outside 0..{limit}")
    return correction << 56 | revision << 13 | int(deleted) << 12 | generation
