"""Probes of the broker and of ClickHouse: own threads, own connections, own timeouts.

The worker's own connections are no measure: Kafka clients retry quietly for minutes. A process that was stopped still
accepts connections (the kernel does), so each probe asks a question and wants the answer in time.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from pipeline.settings import Settings

log = logging.getLogger(__name__)

EVERY_S: Final = 1.0
TIMEOUT_S: Final = 3.0
STALE_S: Final = 7.0
"""Without an answer for this long a dependency counts as down: two probes that time out, on a machine that is busy,
and still below the 10 s within which a stopped service has to show."""


class Probe:
    """Asks ``question`` every second in a thread; it has to return within its own timeout or raise."""

    def __init__(
        self,
        name: str,
        question: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        recovered: Callable[[], None] = lambda: None,
    ) -> None:
        """``recovered`` is called, from the probe's thread, at the first answer after a question without one."""
        self.name = name
        self.error = "no answer yet"
        self._question = question
        self._recovered = recovered
        self._clock = clock
        self._answered: float | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        """Start asking."""
        threading.Thread(target=self._ask_for_ever, name=f"probe-{self.name}", daemon=True).start()

    def stop(self) -> None:
        """Stop asking; the thread ends after its current question."""
        self._stop.set()

    def age_s(self) -> float | None:
        """Seconds since the last answer, or None when there was none yet."""
        return None if self._answered is None else self._clock() - self._answered

    def up(self) -> bool:
        """True when the dependency answered lately."""
        age = self.age_s()
        return age is not None and age < STALE_S

    def ask(self) -> None:
        """Ask once."""
        try:
            self._question()
        except Exception as error:
            # Class and a short text: the message of a driver may be pages long, and never holds the password.
            self.error = f"{type(error).__name__}: {error}"[:200]
        else:
            back = bool(self.error) and self._answered is not None
            self.error = ""
            self._answered = self._clock()
            if back:
                self._recovered()

    def _ask_for_ever(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.ask()


def broker_question(settings: Settings) -> Callable[[], None]:
    """Return a question to the broker: its metadata, over a connection of its own that is renewed after an error.

    A connection that was closed between two questions counts as an error, although the client would open another one
    without a word: a broker that is back within a second may be another one (the embedded one starts in 0.1 s).
    """
    from aiokafka.client import AIOKafkaClient

    from agents.connection import aiokafka_options

    options = aiokafka_options(settings)
    loop = asyncio.new_event_loop()
    client: Any = None

    async def ask() -> None:
        nonlocal client
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if client is None:
                    client = AIOKafkaClient(
                        **options, request_timeout_ms=int(TIMEOUT_S * 1000), metadata_max_age_ms=2**31 - 1
                    )
                    await client.bootstrap()
                # The one to the bootstrap address is closed by the client itself, once it knows the brokers.
                before = {key: conn for key, conn in client._conns.items() if key[0] != "bootstrap"}
                if not await client.force_metadata_update():
                    raise ConnectionError("no metadata from any broker")
                if any(client._conns.get(key) is not conn for key, conn in before.items()):
                    raise ConnectionError("the broker closed the connection")
        except BaseException:
            broken, client = client, None
            if broken is not None:
                try:
                    async with asyncio.timeout(1):
                        await broken.close()
                except Exception as error:
                    log.debug("closing the probe's connection: %r", error)
            raise

    return lambda: loop.run_until_complete(ask())


def clickhouse_question(url: str) -> Callable[[], None]:
    """Return a question to ClickHouse: ``SELECT 1`` over a connection of its own that is renewed after an error."""
    from pipeline.store.client import connect

    client: Any = None

    def ask() -> None:
        nonlocal client
        try:
            if client is None:
                client = connect(url, timeout_s=TIMEOUT_S)
            client.execute("SELECT 1")
        except BaseException:
            broken, client = client, None
            if broken is not None:
                broken.disconnect()
            raise

    return ask
