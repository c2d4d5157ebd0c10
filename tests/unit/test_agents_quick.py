"""A delivery without a task of its own, and batches that nobody but the stage acknowledges."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from mode.utils.queues import FlowControlEvent

from agents import quick
from agents.quick import BoundQueue, QuickConsumer, Raw, Rest, take


def consumer() -> QuickConsumer:
    """One that is no part of an app: only its waiting is used here."""
    from mode import Service

    made = object.__new__(QuickConsumer)
    Service.__init__(made)
    return made


async def test_events_are_the_bytes_and_a_tombstone_is_one_too() -> None:
    app, headers = object(), [("h", b"1"), ("h", b"2")]
    decode = Raw(key_type=bytes, value_type=bytes).compile(app, on_value_decode_error=None)
    for value in (b"\xff", None):
        message = SimpleNamespace(key=b"k", value=value, headers=headers)
        event = await decode(message)
        assert (event.app, event.key, event.value, event.message) == (app, b"k", value, message)
        assert event.message.headers == headers, "a name may come twice"


async def test_a_delivery_that_need_not_wait_has_no_task() -> None:
    tasks = []

    async def delivery() -> None:
        tasks.append(asyncio.current_task())

    result = await consumer().wait_first(delivery(), asyncio.Event().wait())
    assert tasks == [asyncio.current_task()]
    assert (result.results, result.stopped) == ([None], False)


async def test_whatever_else_is_waited_for_goes_fausts_way() -> None:
    async def slow() -> int:
        await asyncio.sleep(0.01)
        return 7

    one = consumer()
    assert (await one.wait(slow())).result == 7
    assert (await one.wait_first(slow())).results == [7]
    one._stopped.set()
    assert (await one.wait_first(slow(), asyncio.Event().wait())).stopped


async def test_one_that_waits_goes_on_where_it_was() -> None:
    steps: list[Any] = []
    gate, never = asyncio.Event(), asyncio.Event()

    async def delivery() -> None:
        steps.append("begun")
        await gate.wait()
        steps.append("waited")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(never.wait(), 0.01)
        steps.append("again")

    waiting = asyncio.ensure_future(consumer().wait_first(delivery(), never.wait()))
    await asyncio.sleep(0.01)
    assert steps == ["begun"]
    gate.set()
    await waiting
    assert steps == ["begun", "waited", "again"]


async def test_what_ends_a_delivery_that_waits() -> None:
    gate, suspended = asyncio.Event(), asyncio.Event()
    ended = []

    async def delivery() -> None:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    waiting = asyncio.ensure_future(consumer().wait_first(delivery(), suspended.wait()))
    await asyncio.sleep(0.01)
    suspended.set()
    await waiting
    await asyncio.sleep(0.01)
    assert ended == ["cancelled"]


@pytest.mark.parametrize("waits", [False, True])
async def test_its_error_is_the_callers(waits: bool) -> None:
    async def delivery() -> None:
        if waits:
            await asyncio.sleep(0.01)
        raise ValueError("what went wrong")

    with pytest.raises(ValueError, match="what went wrong"):
        await consumer().wait_first(delivery(), asyncio.Event().wait())


class Full(QuickConsumer):
    """A consumer of one partition, whose queue is full; reading is only noted."""

    def __init__(self) -> None:
        from mode import Service

        Service.__init__(self)
        self._room = asyncio.Event()
        self._active_partitions: set[Any] = set()
        self._buffered_partitions = {TP("t", 0)}
        self.flow_active = True
        self.not_waiting_next_records = asyncio.Event()
        self.app = SimpleNamespace(client_only=False)
        self.reads: list[set[Any]] = []

    async def _getmany(self, active_partitions: Any, timeout: float) -> dict[Any, Any]:  # noqa: ASYNC109
        self.reads.append(set(active_partitions))
        return {}

    async def sleep(self, n: Any) -> None:
        raise AssertionError("Faust sleeps for a second, whatever happens meanwhile")


async def test_it_reads_on_as_soon_as_there_is_room() -> None:
    one = Full()
    asyncio.get_running_loop().call_later(0.05, one.on_buffer_drop, TP("t", 0))
    async with asyncio.timeout(30):
        await one._wait_next_records(60.0)
    assert one.reads == [{TP("t", 0)}]


async def test_fausts_look_for_idle_streams_is_off() -> None:
    """It would call every stream idle: after five minutes, an error in the log every ten seconds."""
    consumer = object.__new__(QuickConsumer)
    consumer.verify_event_path = lambda now, tp: pytest.fail("Faust looked")
    consumer.assignment = lambda: {("mentions", 0)}
    await consumer.verify_all_partitions_active()


async def test_it_reads_nothing_while_there_is_no_room() -> None:
    one = Full()
    assert await one._wait_next_records(0.05) == (None, None)
    assert one.reads == []


class Stage:
    """A channel's queue, an app and a stream, as far as ``take`` knows them."""

    def __init__(self) -> None:
        self.flow = FlowControlEvent(initially_suspended=False)
        self.queue: Any = BoundQueue(flow_control=self.flow, maxsize=100, clear_on_resume=True)
        self.unacked: set[Any] = set()
        self.app = SimpleNamespace(
            flow_control=self.flow, consumer_generation_id=1, consumer=SimpleNamespace(unacked=self.unacked)
        )
        self.stream = SimpleNamespace(maybe_start=self._start, channel=self, should_stop=False)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        raise AssertionError("one by one is what this is instead of")

    async def _start(self) -> None: ...

    def put(self, number: int, generation: int = 1, value: bytes | None = b"") -> None:
        message = SimpleNamespace(topic="t", generation_id=generation, tracked=False, offset=number, __hash__=None)
        self.queue.put_nowait(SimpleNamespace(message=_Hashed(message), number=number, value=value))


class _Hashed:
    def __init__(self, message: Any) -> None:
        self.__dict__.update({k: v for k, v in message.__dict__.items() if k != "__hash__"})


MESSAGE = {"topic": "t", "generation_id": 1, "tracked": False, "offset": 0}


async def numbers(batches: Any) -> list[int]:
    return [event.number for event in await anext(batches)]


async def test_a_lone_message_does_not_wait_and_a_batch_is_bounded() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 3, Rest(0.2))
    began = asyncio.get_running_loop().time()
    stage.put(0)
    assert await numbers(batches) == [0]
    assert asyncio.get_running_loop().time() - began < 0.15
    for number in range(1, 8):
        stage.put(number)
    assert await numbers(batches) == [1, 2, 3]
    assert await numbers(batches) == [4, 5, 6]
    assert len(stage.unacked) == 7


async def test_a_batch_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """800 messages of 1 MB were 1.85 GB of memory."""
    monkeypatch.setattr(quick, "MOST_BYTES", 100)
    stage = Stage()
    batches = take(stage.app, stage.stream, 50, Rest(0.01))
    for number, value in enumerate((b"x" * 60, None, b"x" * 60, b"x" * 500, b"x")):
        stage.queue._put(SimpleNamespace(message=_Hashed(SimpleNamespace(**MESSAGE)), number=number, value=value))
    assert [await numbers(batches) for _ in range(3)] == [[0, 1, 2], [3], [4]]


async def test_a_queue_is_full_by_its_bytes_and_a_delivery_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "MOST_BYTES", 100)
    stage = Stage()
    stage.put(0, value=b"x" * 500)  # one always fits
    assert stage.queue.full()
    waits = asyncio.ensure_future(stage.queue.put(SimpleNamespace(value=b"y")))
    await asyncio.sleep(0.01)
    assert not waits.done()
    assert stage.queue.get_nowait().number == 0
    await waits
    assert (stage.queue.bytes, stage.queue.full()) == (1, False)
    stage.flow.suspend()
    stage.flow.resume()  # as a rebalance does
    assert (stage.queue.bytes, stage.queue.qsize()) == (0, 0)


async def test_after_a_batch_it_gathers_for_a_while() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 100, Rest(0.1))
    stage.put(0)
    await numbers(batches)
    stage.put(1)
    asyncio.get_running_loop().call_later(0.03, stage.put, 2)
    assert await numbers(batches) == [1, 2]


async def test_under_load_it_gathers_for_as_long_as_the_batch_before_took() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 4, Rest(0.01, 10.0))
    stage.put(0)
    stage.put(1)
    assert await numbers(batches) == [0, 1]
    await asyncio.sleep(0.2)
    stage.put(2)
    asyncio.get_running_loop().call_later(0.1, stage.put, 3)
    assert await numbers(batches) == [2, 3]


@pytest.mark.parametrize(
    ("took", "filled", "late", "rest"),
    [
        (0.0, 1.0, False, 0.25),
        (0.6, 0.5, False, 0.6),
        (30.0, 1.0, False, 1.0),
        (0.6, 0.49, False, 0.25),
        (0.1, 0.01, True, 1.0),
    ],
)
def test_a_rest_has_bounds(took: float, filled: float, late: bool, rest: float) -> None:
    assert Rest(0.25, 1.0).after(took, filled, late=late) == rest


async def test_it_gathers_for_longer_while_what_comes_is_late_already() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 100, Rest(0.01, 0.5), late=lambda: True)
    stage.put(1)
    assert await numbers(batches) == [1]
    stage.put(2)
    asyncio.get_running_loop().call_later(0.1, stage.put, 3)
    assert await numbers(batches) == [2, 3]


async def test_it_does_not_gather_while_it_stops() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 100, Rest(60.0), lambda: True)
    for number in range(2):
        stage.put(number)
        async with asyncio.timeout(10):
            assert await numbers(batches) == [number]


async def test_what_is_of_an_assignment_that_has_ended_is_left() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 100, Rest(0.01))
    stage.put(0, generation=0)
    stage.put(1)
    assert await numbers(batches) == [1]
    assert [message.offset for message in stage.unacked] == [1]


async def test_the_end_of_the_stream_ends_it() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 100, Rest(0.01))
    asyncio.get_running_loop().call_later(0.01, stage.queue._throw, StopAsyncIteration())
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


async def test_what_was_gathered_when_it_is_cancelled_is_not_in_hand_any_more() -> None:
    stage = Stage()
    batches = take(stage.app, stage.stream, 100, Rest(5.0))
    stage.put(0)
    await numbers(batches)
    stage.put(1)
    gathering = asyncio.ensure_future(anext(batches))
    await asyncio.sleep(0.05)
    gathering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gathering
    assert [message.offset for message in stage.unacked] == [0]
