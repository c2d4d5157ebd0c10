"""ClickHouse behind the event loop: a few threads with a connection each, and a bound on how many may wait."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from clickhouse_driver import Client

from pipeline.errors import ClickHouseUnavailable
from pipeline.settings import Settings
from pipeline.store.client import clear_errors, connect

T = TypeVar("T")
log = logging.getLogger(__name__)

THREADS: Final = 4
MAX_WAITING: Final = 64
TIMEOUT_S: Final = 6.0
"""A stopped server (SIGSTOP, a hung disk) must become a 503 and a banner, not a page that waits."""


class Database:
    """Runs queries in threads. ``run`` raises ClickHouseUnavailable or ClickHouseRefused; it never hangs for long."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.require_clickhouse()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="clickhouse")
        self._local = threading.local()
        self._waiting = 0

    async def run(self, work: Callable[[Client], T]) -> T:
        """Call ``work(client)`` in a thread; a lost connection is made again with the next call."""
        if self._waiting >= MAX_WAITING:
            raise ClickHouseUnavailable("too many requests wait for ClickHouse: try again in a moment")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._call, work)
        finally:
            self._waiting -= 1

    def _call(self, work: Callable[[Client], T]) -> T:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = connect(self._url, timeout_s=TIMEOUT_S)
        with clear_errors(client):
            return work(client)

    def close(self) -> None:
        """Let no further query begin; one that runs ends within its timeout."""
        self._pool.shutdown(wait=False, cancel_futures=True)
