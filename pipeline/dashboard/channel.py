"""The state of one view as numbered changes, shared by all browsers that look at it. Pure: no database, no web."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel

from pipeline.dashboard.models import MentionItem, Tick
from pipeline.dashboard.snapshot import Snapshot

REMEMBERED: Final = 400
"""Changes of the feed that a browser which reconnects can catch up on; after more of them it gets the feed anew."""


class FeedChange(BaseModel):
    """Event `mentions` of the stream: put ``added`` into the feed (newest first), take ``removed`` out."""

    added: list[MentionItem]
    removed: list[str]
    reset: bool = False


@dataclass(frozen=True)
class Event:
    """One event for one browser; ``data`` is JSON."""

    name: str
    data: str


class Channel:
    """Keeps the newest state of each part with the version at which it changed last.

    ``since(version)`` returns what a browser that has seen ``version`` lacks; -1 has seen nothing.
    """

    def __init__(self) -> None:
        self.version = 0
        self.as_of: float | None = None
        self._parts: dict[str, tuple[int, str]] = {}
        self._feed: list[MentionItem] = []
        self._changes: deque[tuple[int, MentionItem | None, str]] = deque(maxlen=REMEMBERED)
        self._forgotten = 0
        """Whoever has seen less than this version gets the feed anew: it fell out of the deque, or was never there."""

    def publish(self, snapshot: Snapshot, now: float) -> None:
        """Take over a new state. What did not change keeps its version and is not sent again."""
        self.version += 1
        if self.as_of is None:
            self._forgotten = self.version
        self.as_of = now
        self._part("series", snapshot.series)
        self._part("languages", snapshot.languages)
        self._part("brands", snapshot.brands)
        self._part("summary", snapshot.summary)
        if snapshot.slow.agreement is not None:
            self._part("agreement", snapshot.slow.agreement)
        self._diff(snapshot.mentions)
        self._tick(Tick(ok=True, as_of=now, now=now, newest_stored_age_s=snapshot.summary.newest_stored_age_s))

    def fail(self, reason: str, now: float) -> None:
        """Say that there is no newer state, and why."""
        self.version += 1
        self._tick(Tick(ok=False, reason=reason, as_of=self.as_of, now=now))

    def since(self, version: int) -> list[Event]:
        """Events that bring a browser from ``version`` to the newest state."""
        events = [
            Event(name, data) for name, (changed, data) in self._parts.items() if changed > version and name != "tick"
        ]
        feed = self._feed_since(version)
        if feed is not None:
            events.append(Event("mentions", feed.model_dump_json()))
        changed, data = self._parts.get("tick", (-1, ""))
        return [*events, Event("tick", data)] if changed > version else events

    def _part(self, name: str, model: BaseModel) -> None:
        data = model.model_dump_json()
        known = self._parts.get(name)
        if known is None or known[1] != data:
            self._parts[name] = (self.version, data)

    def _tick(self, tick: Tick) -> None:
        self._parts["tick"] = (self.version, tick.model_dump_json())

    def _diff(self, feed: list[MentionItem]) -> None:
        before = {item.id: item for item in self._feed}
        after = {item.id for item in feed}
        # What is older than the last row left the feed only because newer ones came; what is not was deleted or moved.
        oldest = feed[-1].published_at if feed else None
        for item in reversed(feed):
            if before.get(item.id) != item:
                self._remember(item, item.id)
        for item in self._feed:
            if item.id not in after and (oldest is None or item.published_at > oldest):
                self._remember(None, item.id)
        self._feed = feed

    def _remember(self, item: MentionItem | None, ident: str) -> None:
        if len(self._changes) == REMEMBERED:
            self._forgotten = self._changes[0][0]
        self._changes.append((self.version, item, ident))

    def _feed_since(self, version: int) -> FeedChange | None:
        if self.as_of is None:
            return None
        if version < 0 or version < self._forgotten:
            return FeedChange(added=self._feed, removed=[], reset=True)
        latest: dict[str, MentionItem | None] = {}
        for changed, item, ident in self._changes:
            if changed > version:
                latest[ident] = item
        if not latest:
            return None
        added = sorted((item for item in latest.values() if item), key=lambda item: item.published_at, reverse=True)
        return FeedChange(added=added, removed=[ident for ident, item in latest.items() if item is None])
