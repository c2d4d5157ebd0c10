"""Messages that nobody can process, with the reason under which each must be found among the dead letters."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

_DAY_MS: Final = 86_400_000


def _mention(number: int, now_ms: int, **changed: Any) -> bytes:
    event = {
        "source": "poison",
        "id": f"p{number}",
        "text": f"Lumora {number}",
        "published_at": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(),
    }
    return json.dumps({name: value for name, value in (event | changed).items() if value is not None}).encode()


def _at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


POISON: Final[tuple[tuple[str, Callable[[int, int], bytes]], ...]] = (
    ("not_utf8", lambda n, now: b"\xff\xfe %d" % n),
    ("not_json", lambda n, now: b"{not json %d" % n),
    ("not_json", lambda n, now: b""),
    ("invalid", lambda n, now: b"[" * 5_000),
    ("invalid", lambda n, now: _mention(n, now, published_at=None)),
    ("invalid", lambda n, now: _mention(n, now, text=n)),
    ("invalid", lambda n, now: b'["an array", %d]' % n),
    ("invalid", lambda n, now: _mention(n, now, tenant="../etc")),
    ("invalid", lambda n, now: _mention(n, now, revision=-1)),
    ("unknown_type", lambda n, now: _mention(n, now, type="order")),
    ("unknown_version", lambda n, now: _mention(n, now, version=99)),
    ("in_the_future", lambda n, now: _mention(n, now, published_at=_at(now + 2 * _DAY_MS))),
    ("too_old", lambda n, now: _mention(n, now, published_at=_at(now - 4000 * _DAY_MS))),
    ("blank_text", lambda n, now: _mention(n, now, text="  \u200b\u2066 ")),
    ("nul_byte", lambda n, now: _mention(n, now, text=f"Lumora\0 {n}")),
    ("text_too_long", lambda n, now: _mention(n, now, text="Lumora " * 3_000)),
)
"""(reason, (number, now in ms since 1970) -> bytes)."""
