"""Faust's two costs per message, paid per batch: its consumer's tasks for each message, and its streams' iteration.

Measured (docs/benchmarks.md): about 0.25 core-ms per message and stage, most of it in the four tasks and a dozen
callbacks that Faust makes for each. Here a message goes from aiokafka's batch into the channel's
queue without a task where nothing has to be waited for, and a stage takes all of the queue at once. Groups, rebalances,
flow control, offsets and commits stay Faust's.
"""

import asyncio
import inspect
import logging
import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Final

import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers.aiokafka import Consumer
from faust.types import TP
from mode.services import WaitResults
from mode.utils.queues import ThrowableQueue

from pipeline.metrics import RETRIES, STALE_MESSAGES

log = logging.getLogger(__name__)

HALF_FULL: Final = 0.5
"""Share of the largest batch from which on a stage counts as under load."""
MOST_BYTES: Final = 16 * 1024 * 1024
"""Values in a stage's queue, and in a batch: both are bounded in messages too, and one of those may be of 1 MB."""
_SLICE_S: Final = 0.01
"""How often a batch that is being gathered empties the queue, which is small so that memory stays bounded."""


class QuickConsumer(Consumer):
    """Faust's consumer, which delivers a message without a task of its own unless the delivery has to wait.

    And which goes on reading as soon as a stage has room again: where all partitions have filled the queue, Faust's
    sleeps for a second, in which the stage has long run out of work.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - passed through
        super().__init__(*args, **options)
        self._room = asyncio.Event()

    def on_buffer_drop(self, tp: Any) -> None:  # noqa: ANN401 - Faust's
        """Faust calls this when the queue that a partition has filled has room again."""
        super().on_buffer_drop(tp)
        self._room.set()

    async def verify_all_partitions_active(self) -> None:
        """Say nothing: Faust's look for streams that do not move would call each of ours idle since its start.

        It knows only messages that went through a stream one by one. `agents/progress.py` looks instead.
        """

    async def _wait_next_records(self, timeout: float) -> Any:  # noqa: ANN401, ASYNC109 - Faust's signature
        if self.flow_active and not self._get_active_partitions():
            self._room.clear()
            await self.wait(self._room.wait(), timeout=timeout)
            if not self._get_active_partitions():
                return None, None
        return await super()._wait_next_records(timeout)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ANN401 - Faust's
        """Commit what was acknowledged, as Faust does; where nothing was, what was passed (:mod:`agents.passed`)."""
        did = bool(await super().commit(topics, start_new_transaction))
        if not did and not self.app.rebalancing and not self.should_stop:
            await self._commit_passed()
        return did

    async def _commit_passed(self) -> None:
        consumer = self._thread._consumer
        try:
            # In the consumer's thread, where nothing is fetched meanwhile.
            passed = await self._thread.call_thread(consumer.commit_passed, dict(self._committed_offset))
        except KafkaError as error:
            RETRIES.labels(self.app.conf.id, "commit").inc()
            log.debug("what was passed is not committed (%r); again in a moment", error)
        else:
            self._committed_offset.update({TP(*tp): offset for tp, offset in passed.items()})

    async def wait_first(self, *coros: Any, timeout: Any = None) -> Any:  # noqa: ANN401, ASYNC109 - Faust's signature
        """Faust calls this once per message, with the delivery and with what ends a delivery that has to wait.

        For each it makes four tasks. Whatever else is waited for goes Faust's own way.
        """
        first = coros[0]
        if len(coros) != 2 or not (inspect.iscoroutine(first) and inspect.iscoroutine(coros[1])):
            return await super().wait_first(*coros, timeout=timeout)
        try:
            waits_for = first.send(None)
        except StopIteration as end:
            coros[1].close()
            return WaitResults([first], [end.value], False)
        except BaseException:
            coros[1].close()
            raise
        return await super().wait_first(_goes_on(first, waits_for), coros[1], timeout=timeout)


class BoundQueue(ThrowableQueue[Any]):
    """Faust's queue between consumer and stage, which is full at :data:`MOST_BYTES` as well.

    Whoever delivers then waits, and with it all partitions; one message always fits.
    """

    def __init__(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - passed through
        super().__init__(*args, **options)
        self.bytes = 0

    def full(self) -> bool:
        """Whether a delivery has to wait."""
        return self.bytes >= MOST_BYTES or super().full()

    def clear(self) -> None:
        """Forget what is in it: a new assignment reads it again."""
        super().clear()
        self.bytes = 0

    def _put(self, item: Any) -> None:  # noqa: ANN401 - an event
        super()._put(item)
        self.bytes += _size(item)

    def _get(self) -> Any:  # noqa: ANN401
        item = super()._get()
        self.bytes -= _size(item)
        return item


class Raw(faust.Schema):
    """Keys and values as they are. Faust's own ``raw`` goes through a registry of codecs: 8% of a stage's time."""

    def compile(self, app: Any, **_: Any) -> Any:  # noqa: ANN401 - Faust's signature
        """What makes an event of a message; a tombstone is one as well. The headers stay in the message."""

        async def decode(message: Any, *, propagate: bool = False) -> faust.Event:  # noqa: ANN401 - Faust's
            return faust.Event(app, message.key, message.value, None, message)

        return decode


async def _goes_on(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Any:  # noqa: ANN401
    """The rest of a coroutine that waits for its first future, for a task to run."""
    return await _rest(begun, waits_for)


@types.coroutine
def _rest(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:  # noqa: ANN401
    try:
        while True:
            try:
                got = yield waits_for
            except BaseException as error:
                waits_for = begun.throw(error)
            else:
                waits_for = begun.send(got)
    except StopIteration as end:
        return end.value


@dataclass(frozen=True, slots=True)
class Rest:
    """How long a stage gathers between two batches that are not full, in seconds.

    ``least_s``; under load (a batch was at least half full) as long as that batch took, up to ``most_s`` where that is
    more, so that batches grow; and ``most_s`` while what comes is late already, because a stage before has more than it
    can do and this one's work takes its time. That pays where a batch has a price whatever is in it: 200 core-ms in
    ClickHouse, most of it for planning a dozen statements. Else numbers are not to come later than they must.
    """

    least_s: float
    most_s: float = 0.0

    def after(self, took_s: float, filled: float, *, late: bool = False) -> float:
        """The rest after a batch that took so long and was ``filled`` to this share of the most it may hold."""
        longer = self.most_s if late else took_s if filled >= HALF_FULL else 0.0
        return max(self.least_s, min(longer, self.most_s))


async def take(
    app: Any,  # noqa: ANN401 - Faust's
    stream: Any,  # noqa: ANN401
    limit: int,
    rest: Rest,
    stopping: Callable[[], bool] = lambda: False,
    late: Callable[[], bool] = lambda: False,
) -> AsyncIterator[list[Any]]:
    """Batches of at most ``limit`` events of a Faust stream, none of them acknowledged: whoever does the work does it.

    A batch begins with the first event that waits, and takes what comes until the ``rest`` after the one before is
    over: a lone message never waits, under load batches grow, and a full one (``limit`` events, :data:`MOST_BYTES`)
    does not wait, nor any while ``stopping``.
    ``late`` is asked after each batch, for :meth:`Rest.after`.
    In place of Faust's ``take_events``, which acknowledges by itself (in a ``finally``).
    """
    await stream.maybe_start()
    queue = aiter(stream.channel).queue
    loop = asyncio.get_running_loop()
    due = loop.time()
    batch: list[Any] = []
    try:
        while not stream.should_stop:
            size = _add(app, batch, await queue.get())
            while len(batch) < limit and size < MOST_BYTES:
                while len(batch) < limit and size < MOST_BYTES and not queue.empty():
                    size += _add(app, batch, queue.get_nowait())
                left = due - loop.time()
                if left <= 0 or stopping():
                    break
                await asyncio.sleep(min(left, _SLICE_S))
            if batch:
                events, batch = batch, []
                began = loop.time()
                yield events
                ended = loop.time()
                due = ended + rest.after(ended - began, len(events) / limit, late=late())
    except StopAsyncIteration:
        # Faust throws it into the queue when the stream ends. It has waited until nothing was in hand.
        return
    finally:
        for event in batch:
            app.consumer.unacked.discard(event.message)


def _add(app: Any, batch: list[Any], event: Any) -> int:  # noqa: ANN401 - Faust's
    """Take an event, unless it is of an assignment that has ended: that one is read again from what was committed.

    Returns how many bytes the batch has more.
    """
    message = event.message
    if not app.flow_control.is_active() or message.generation_id != app.consumer_generation_id:
        STALE_MESSAGES.labels(message.topic).inc()
        return 0
    if not message.tracked:
        message.tracked = True
        app.consumer.unacked.add(message)
    batch.append(event)
    return _size(event)


def _size(event: Any) -> int:  # noqa: ANN401 - Faust's
    return len(event.value or b"")
