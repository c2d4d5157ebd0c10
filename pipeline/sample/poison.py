"""Messages that are no mentions, as broken sources send them. Each becomes a dead letter, none may stop a worker."""

from typing import Final

POISON: Final[tuple[bytes, ...]] = (
    b"\xff\xfe\x00\x01 not UTF-8",
    b'{"source": "demo-broken", "text": "cut off in the midd',
    b"<mention><text>not JSON</text></mention>",
    b'{"source": "demo-broken", "id": "1", "published_at": "2026-01-01T00:00:00Z"}',
    b'{"source": "demo-broken", "id": "2", "published_at": "2026-01-01T00:00:00Z", "text": ""}',
    b'{"source": "demo-broken", "id": "3", "published_at": "2026-01-01T00:00:00Z", "text": 7}',
    b'{"source": "demo-broken", "id": "4", "published_at": "yesterday", "text": "when?"}',
    b'{"source": "demo-broken", "id": "5", "published_at": "9999-12-31T23:59:59Z", "text": "far away"}',
    b'{"type": "mention", "version": 99, "source": "demo-broken", "text": "from a later version"}',
    b'{"type": "weather", "source": "demo-broken", "text": "sunny"}',
    b'{"source": "demo-broken", "id": "6", "published_at": "2026-01-01T00:00:00Z", "text": "\\ud800"}',
)
