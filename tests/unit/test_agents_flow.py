"""Continuity, progress, policies, backoff, dead letters: the agents' logic without Kafka."""

import logging
from datetime import UTC, datetime

import pytest

from agents.backoff import Backoff, RetryPolicy
from agents.continuity import Continuity, Gap, Partition
from agents.dead import dead_letter, outgoing
from agents.incoming import Incoming
from agents.logs import Repeats
from agents.policy import DeadLetterGuard, DeadLetterPolicy
from agents.progress import Position, ProgressTracker
from pipeline.errors import TooManyDeadLetters
from pipeline.kafka.deadletter import CUT_HEADER, DeadLetter
from schemas.events import Origin

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def message(offset: int, partition: int = 0, timestamp_ms: int | None = 1_790_000_000_123) -> Incoming:
    return Incoming("mentions", partition, offset, timestamp_ms, b"k", b"v", (("trace", b"1"),))


class TestContinuity:
    def test_no_gap_from_the_committed_offset_on(self) -> None:
        continuity = Continuity({("mentions", 0): 5}.get)
        assert continuity.gaps([message(5), message(6)], 1) == []
        assert continuity.gaps([message(7)], 1) == []

    def test_the_first_message_after_a_rebalance_was_skipped(self) -> None:
        # Faust commits past this one: it looks for gaps of two and more.
        continuity = Continuity({("mentions", 0): 5}.get)
        assert continuity.gaps([message(6)], 1) == [Gap("mentions", 0, 5, 6)]

    def test_a_gap_in_the_middle(self) -> None:
        continuity = Continuity({("mentions", 0): 5}.get)
        assert continuity.gaps([message(5), message(9)], 1) == [Gap("mentions", 0, 6, 9)]
        assert continuity.gaps([message(10)], 1) == [], "told once"

    def test_redeliveries_are_no_gap(self) -> None:
        continuity = Continuity({("mentions", 0): 5}.get)
        continuity.gaps([message(5), message(6), message(7)], 1)
        assert continuity.gaps([message(5), message(6)], 1) == []
        assert continuity.gaps([message(8)], 1) == []

    def test_partitions_are_independent(self) -> None:
        continuity = Continuity({("mentions", 0): 5, ("mentions", 1): 9}.get)
        assert continuity.gaps([message(5), message(9, 1), message(6), message(11, 1)], 1) == [
            Gap("mentions", 1, 10, 11)
        ]

    def test_a_new_assignment_starts_from_what_is_committed_then(self) -> None:
        committed = {("mentions", 0): 5}
        continuity = Continuity(committed.get)
        continuity.gaps([message(5), message(6)], 1)
        committed["mentions", 0] = 50  # another worker had the partition meanwhile
        assert continuity.gaps([message(50)], 2) == []

    def test_without_a_commit_reading_begins_at_the_start_of_the_log(self) -> None:
        nothing: dict[Partition, int] = {}
        continuity = Continuity(nothing.get)
        assert continuity.gaps([message(0)], 1) == []
        assert Continuity(nothing.get).gaps([message(3)], 1) == [Gap("mentions", 0, 0, 3)]


class TestProgress:
    def test_age_grows_only_while_messages_wait_and_nothing_is_committed(self) -> None:
        now = [0.0]
        tracker = ProgressTracker(lambda: now[0])

        def at(when: float, committed: int | None, end: int) -> tuple[int, float]:
            now[0] = when
            [state] = tracker.update([Position("mentions", 0, committed, end, None)])
            return state.lag, state.age_s

        assert at(0, 10, 10) == (0, 0)
        assert at(100, 10, 10) == (0, 0), "nothing waits"
        assert at(101, 10, 15) == (5, 1)
        assert at(110, 10, 20) == (10, 10)
        assert at(111, 12, 20) == (8, 0), "moved"
        assert at(115, 12, 20) == (8, 4)
        assert at(116, 20, 20) == (0, 0)

    def test_a_partition_that_comes_back_gets_its_time_again(self) -> None:
        now = [0.0]
        tracker = ProgressTracker(lambda: now[0])
        stuck = Position("mentions", 0, 1, 9, None)
        tracker.update([stuck])
        now[0] = 50
        assert tracker.update([stuck])[0].age_s == 50
        tracker.update([])
        now[0] = 60
        assert tracker.update([stuck])[0].age_s == 0

    def test_before_the_first_commit_lag_is_counted_from_where_reading_began(self) -> None:
        tracker = ProgressTracker(lambda: 0.0)
        # 1000 messages expired long ago: they do not wait
        assert tracker.update([Position("mentions", 0, None, 1000, 1000)])[0].lag == 0
        assert tracker.update([Position("mentions", 0, None, 1003, 1003)])[0].lag == 3, "read is not committed"

    def test_unknown_end(self) -> None:
        assert ProgressTracker(lambda: 0.0).update([Position("mentions", 0, 5, None, 5)])[0].lag == 0


class TestDeadLetterGuard:
    def test_stops_when_nearly_everything_is_dead(self) -> None:
        guard = DeadLetterGuard("language", DeadLetterPolicy(window=100, max_share=0.95))
        for _ in range(9):
            guard.observe(10, 10, "not JSON")
        with pytest.raises(TooManyDeadLetters, match=r"100 of the last 100 .*not JSON"):
            guard.observe(10, 10, "not JSON")

    def test_a_burst_of_poison_is_no_reason(self) -> None:
        guard = DeadLetterGuard("language", DeadLetterPolicy(window=100, max_share=0.95))
        for _ in range(50):
            guard.observe(10, 9)

    def test_only_the_last_window_counts(self) -> None:
        guard = DeadLetterGuard("language", DeadLetterPolicy(window=100, max_share=0.95))
        for _ in range(1000):
            guard.observe(10, 0)
        for _ in range(9):
            guard.observe(10, 10)
        with pytest.raises(TooManyDeadLetters):
            guard.observe(10, 10)

    def test_one_huge_batch_is_a_window(self) -> None:
        with pytest.raises(TooManyDeadLetters):
            DeadLetterGuard("language", DeadLetterPolicy(window=100)).observe(5000, 5000)

    def test_a_few_at_the_start_are_not_enough(self) -> None:
        guard = DeadLetterGuard("language", DeadLetterPolicy(window=100))
        guard.observe(99, 99)


class TestBackoff:
    def test_grows_and_is_bounded(self) -> None:
        backoff = Backoff(RetryPolicy(first_s=1, factor=2, longest_s=5), jitter=lambda: 1.0)
        assert [backoff.next_s() for _ in range(5)] == [1, 2, 4, 5, 5]

    def test_jitter_stays_between_half_and_all(self) -> None:
        assert Backoff(RetryPolicy(first_s=1), jitter=lambda: 0.0).next_s() == 0.5

    def test_does_not_overflow(self) -> None:
        backoff = Backoff(attempts=10_000)
        assert backoff.next_s() <= 10


class TestIncoming:
    def test_received_at_is_the_records_own_time(self) -> None:
        assert message(0).received_at(NOW) == datetime(2026, 9, 21, 14, 13, 20, 123000, tzinfo=UTC)

    @pytest.mark.parametrize("timestamp", [None, -1, 0, 1_790_000_000, 1_790_000_000_000_000_000])
    def test_a_stamp_that_cannot_be_one(self, timestamp: int | None) -> None:
        assert message(0, timestamp_ms=timestamp).received_at(NOW) == NOW


class TestDeadLetters:
    origin = Origin(incarnation="i", topic="mentions", partition=0, offset=7)

    def test_value_key_and_headers_are_the_original_ones(self) -> None:
        record = outgoing(dead_letter(message(7), self.origin, "language", "not_json", "why"))
        assert (record.topic, record.key, record.value) == ("mentions.dead", b"k", b"v")
        back = DeadLetter.from_record(record.value, record.key, list(record.headers))
        assert (back.reason, back.error, back.stage, back.origin) == ("not_json", "why", "language", self.origin)
        assert back.headers == (("trace", b"1"),)

    def test_one_that_is_too_large_is_cut_and_says_so(self) -> None:
        big = Incoming("mentions", 0, 7, None, b"k" * 100, b"x" * 1000, (("trace", b"1" * 100),))
        record = outgoing(dead_letter(big, self.origin, "language", "text_too_long", "why"))
        sizes = []
        while record.instead is not None:
            record = record.instead("too large")
            sizes.append(len(record.value))
        assert sizes == [500, 250, 125, 62, 31, 15, 7, 3, 1, 0]
        back = DeadLetter.from_record(record.value, record.key, list(record.headers))
        assert back.origin == self.origin
        assert dict(record.headers)[CUT_HEADER] == b"1000"
        assert "trace" not in dict(record.headers)


class TestLogs:
    def test_a_library_that_repeats_itself_is_heard_once_in_ten_seconds(self) -> None:
        now = [0.0]
        repeats = Repeats(lambda: now[0])

        def heard(name: str, text: str, *args: object) -> str | None:
            record = logging.LogRecord(name, logging.ERROR, "", 1, text, args, None)
            return record.getMessage() if repeats.filter(record) else None

        assert heard("aiokafka", "cannot reach %s", 1) == "cannot reach 1"
        assert heard("aiokafka", "cannot reach %s", 2) is None
        assert heard("aiokafka", "something else") == "something else"
        assert heard("agents.stage", "mine") == heard("agents.stage", "mine") == "mine"
        now[0] = 10.0
        assert heard("aiokafka", "cannot reach %s", 3) == "cannot reach 3 (1 more like this)"
