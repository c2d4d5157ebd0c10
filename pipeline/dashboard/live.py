"""The live page: each view is read about once a second, however many browsers look at it."""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

from clickhouse_driver import Client
from sse_starlette import ServerSentEvent

from pipeline.dashboard.channel import Channel
from pipeline.dashboard.database import Database
from pipeline.dashboard.gold import Gold
from pipeline.dashboard.snapshot import Slow, Snapshot, take, take_slow
from pipeline.dashboard.trust import TrustBook
from pipeline.errors import BabelwatchError, ClickHouseUnavailable
from pipeline.metrics import DASHBOARD_REFRESHES
from pipeline.store.queries import View

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
SLOW_EVERY_S: Final = 4.0
REST: Final = 3.0
"""A view rests at least three times as long as its queries took: the page never takes more than a quarter of a core of
ClickHouse per view, however large the tables have grown."""
LINGER_S: Final = 15.0
"""A view without browsers is kept so long, so that a reload shows numbers at once."""
MAX_VIEWS: Final = 64


class _Live:
    """One view: its channel, its readers, and the task that refreshes it."""

    def __init__(self) -> None:
        self.channel = Channel()
        self.readers = 0
        self.idle_since = time.monotonic()
        self.changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Let every reader look; the next change gets an event of its own."""
        event, self.changed = self.changed, asyncio.Event()
        event.set()


class Hub:
    """All live views. ``events`` is what one browser gets; queries are shared by all browsers of a view."""

    def __init__(
        self,
        database: Database,
        gold: dict[str, Gold] | None,
        book: TrustBook,
        clock: Callable[[], float] = time.time,
        every_s: float = EVERY_S,
    ) -> None:
        self._database = database
        self._gold = gold
        self._book = book
        self._clock = clock
        self._every_s = every_s
        self._views: dict[View, _Live] = {}
        self.epoch = secrets.token_hex(4)
        """Versions count from 0 in each process: an event id of another process must not be trusted."""

    def open(self, view: View) -> None:
        """Begin to read ``view``, if nobody does yet; it waits a while for its browser.

        Raises ClickHouseUnavailable when too many different views are open.
        """
        self._live(view)

    async def events(self, view: View, last_event_id: str | None) -> AsyncGenerator[ServerSentEvent, None]:
        """What happened in ``view`` since ``last_event_id``, then everything that happens; ``open`` the view first."""
        live = self._live(view)
        live.readers += 1
        seen = self._parse(last_event_id, live)
        try:
            while True:
                changed = live.changed
                version = live.channel.version
                events = live.channel.since(seen)
                for number, event in enumerate(events, 1):
                    # Only the last one of a round has the id: a connection that breaks within it gets the round again.
                    ident = f"{self.epoch}.{version}" if number == len(events) else None
                    yield ServerSentEvent(event.data, event=event.name, id=ident, retry=1000, sep="\n")
                seen = version
                await changed.wait()
        finally:
            live.readers -= 1
            live.idle_since = time.monotonic()

    async def close(self) -> None:
        """Stop all reading."""
        tasks = [live.task for live in self._views.values() if live.task]
        self._views.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def open_views(self) -> int:
        """Views that are read at the moment."""
        return len(self._views)

    def _parse(self, last_event_id: str | None, live: _Live) -> int:
        epoch, _, version = (last_event_id or "").partition(".")
        if epoch == self.epoch and version.isascii() and version.isdigit() and int(version) <= live.channel.version:
            return int(version)
        return -1

    def _live(self, view: View) -> _Live:
        live = self._views.get(view)
        if live is None:
            if len(self._views) >= MAX_VIEWS:
                raise ClickHouseUnavailable(f"{MAX_VIEWS} different views are open: close some pages, then try again")
            live = self._views[view] = _Live()
            live.task = asyncio.create_task(self._keep_fresh(view, live), name=f"live {view}")
        return live

    async def _keep_fresh(self, view: View, live: _Live) -> None:
        slow: Slow | None = None
        slow_at = 0.0
        failures = 0
        while live.readers or time.monotonic() - live.idle_since < LINGER_S:
            began = time.monotonic()
            now = self._clock()
            try:
                if slow is None or began - slow_at >= SLOW_EVERY_S:
                    slow, slow_at = await self._database.run(self._slow(view, now)), began
                live.channel.publish(await self._database.run(self._take(view, now, slow)), now)
                failures = 0
                DASHBOARD_REFRESHES.labels("ok").inc()
            except BabelwatchError as error:
                failures += 1
                DASHBOARD_REFRESHES.labels("failed").inc()
                live.channel.fail(str(error), now)
                log.warning("the page shows old data: %s", error)
            except Exception:
                failures += 1
                DASHBOARD_REFRESHES.labels("failed").inc()
                live.channel.fail("the dashboard failed to read the data: its log says why", now)
                log.exception("refresh of %s failed", view)
            live.wake()
            took = time.monotonic() - began
            await asyncio.sleep(max(self._every_s * min(3, 1 + failures), REST * took if not failures else 0))
        self._views.pop(view, None)

    def _slow(self, view: View, now: float) -> Callable[[Client], Slow]:
        return lambda client: take_slow(client, view, now, self._gold, self._book)

    def _take(self, view: View, now: float, slow: Slow) -> Callable[[Client], Snapshot]:
        return lambda client: take(client, view, now, slow)
