"""How fast old messages go in, on a clock that only sleeping moves."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import BrokerUnavailable
from pipeline.sources.pace import Pace, PacePolicy


class Clock:
    """Time that passes while somebody sleeps; ``at`` calls what happens then."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


class Queue:
    """A pipeline that does ``speed`` messages a second, and what was sent into it."""

    def __init__(self, clock: Clock, speed: float, live: Callable[[float], float] = lambda now: 0.0) -> None:
        self._clock, self._speed, self._live = clock, speed, live
        self._waiting, self._at = 0.0, clock.now
        self.most = 0.0
        self.looks = 0

    def send(self) -> None:
        self._flow()
        self._waiting += 1
        self.most = max(self.most, self._waiting)

    def __call__(self) -> int:
        self.looks += 1
        self._flow()
        return int(self._waiting + 0.999)

    def _flow(self) -> None:
        passed = self._clock.now - self._at
        self._at = self._clock.now
        self._waiting = max(0.0, self._waiting + self._live(self._at) * passed - self._speed * passed)


def made(clock: Clock, policy: PacePolicy, waiting: Callable[[], int] | None = None, **more: object) -> Pace:
    return Pace(policy, waiting, clock=clock, sleep=clock.sleep, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [0.5, 3.0, 200.0, 100_000.0])
def test_the_rate_holds_over_time(rate: float) -> None:
    clock = Clock()
    pace = made(clock, PacePolicy(rate_per_s=rate))
    count = max(4, int(rate * 3))
    for _ in range(count):
        pace.wait()
    took = clock.now - 100
    assert (count - 1) / rate - 0.2 <= took <= (count - 1) / rate + 1e-6


def test_without_a_rate_and_a_queue_nothing_waits() -> None:
    clock = Clock()
    pace = made(clock, PacePolicy())
    for _ in range(1000):
        pace.wait()
    assert clock.slept == []


def test_after_a_pause_nothing_is_caught_up() -> None:
    clock = Clock()
    pace = made(clock, PacePolicy(rate_per_s=10, burst_s=0.1))
    pace.wait()
    clock.now += 3600
    began = clock.now
    for _ in range(21):
        pace.wait()
    assert clock.now - began >= 1.8


@given(
    speed=st.floats(5, 5000),
    bound=st.integers(1, 500),
    rate=st.sampled_from([0.0, 50.0]),
    messages=st.integers(1, 1500),
)
def test_no_more_than_the_bound_ever_waits(speed: float, bound: int, rate: float, messages: int) -> None:
    clock = Clock()
    queue = Queue(clock, speed)
    pace = made(clock, PacePolicy(rate_per_s=rate, max_waiting=bound), queue)
    for _ in range(messages):
        pace.wait()
        queue.send()
    assert queue.most <= bound + 1e-6
    assert queue.looks <= messages + (clock.now - 100) * 4 + 5


def test_live_traffic_that_fills_the_queue_stops_it_and_its_end_lets_it_go_on() -> None:
    clock = Clock()
    queue = Queue(clock, speed=100, live=lambda now: 300.0 if now < 160 else 0.0)
    pace = made(clock, PacePolicy(max_waiting=50, stalled_s=1e9), queue)
    sent_at = []
    for _ in range(200):
        pace.wait()
        queue.send()
        sent_at.append(clock.now)
    while_live = [at for at in sent_at if 101 < at < 160]
    assert len(while_live) <= 51, "it went on beside live messages that were waiting"
    assert pace.paused_s > 150, "12,000 messages at 100/s had to be done first"


def test_somebody_is_told_when_nothing_moves() -> None:
    clock = Clock()
    told: list[tuple[int, float]] = []

    def waiting() -> int:
        return 5000 if clock.now < 175 else 0

    made(clock, PacePolicy(), waiting, stalled=lambda count, seconds: told.append((count, seconds))).wait()
    assert [count for count, _ in told] == [5000, 5000]
    assert [round(seconds) for _, seconds in told] == [30, 60]


def test_without_sight_of_the_queues_nothing_is_sent_and_at_last_it_is_an_error() -> None:
    clock = Clock()
    looks: list[float] = []

    def away() -> int:
        looks.append(clock.now)
        raise BrokerUnavailable("away")

    with pytest.raises(BrokerUnavailable):
        made(clock, PacePolicy(patience_s=20), away).wait()
    assert 20 <= clock.now - 100 < 30
    assert 5 < len(looks) < 20

    def back() -> int:
        if clock.now < 140:
            raise BrokerUnavailable("away")
        return 0

    pace = made(clock, PacePolicy(patience_s=60), back)
    pace.wait()
    assert clock.now >= 140
    assert pace.paused_s >= 10


def test_a_stop_during_a_sleep_comes_through() -> None:
    clock = Clock()

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pace(PacePolicy(), lambda: 10_000, clock=clock, sleep=interrupted).wait()
