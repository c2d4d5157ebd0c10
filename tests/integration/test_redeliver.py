"""Records sent once more through a real broker, also one that goes away: nothing counts that was not confirmed."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType

from agents.incoming import Incoming
from pipeline.dead.resend import resend
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.errors import BrokerUnavailable
from pipeline.kafka.admin import admin, ensure_topics, read_incarnation
from pipeline.kafka.client import client_options
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.kafka.redelivery import HEADER, VIA, Redelivery, Via, delivery, via
from pipeline.kafka.topics import DETECTED, MENTIONS
from pipeline.replay import SAVE_EVERY, Replay
from pipeline.replay_state import Part, Progress, load
from pipeline.settings import Settings
from pipeline.sources.pace import Pace, PacePolicy
from pipeline.store.dead_actions import DeadActions
from schemas.events import Origin
from tests.freezing import freeze, thaw
from tests.integration.store_support import NOW

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.embedded]

FIRST = Origin(incarnation="inc", topic=MENTIONS, partition=2, offset=7)

MakeSettings = Callable[..., Settings]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    """One of the test's own: it is killed."""
    with EmbeddedBroker(tmp_path / "broker") as broker:
        yield broker
        with suppress(ProcessLookupError):
            thaw(broker.pid)


@pytest.fixture
def settings(broker: EmbeddedBroker, make_settings: MakeSettings) -> Settings:
    made = make_settings(kafka_brokers=broker.address)
    ensure_topics(made)
    return made


def kill(pid: int) -> None:
    """End a process at once."""
    os.kill(pid, signal.SIGKILL)


def fill(settings: Settings, count: int) -> None:
    """Send ``count`` records to partition 0."""
    producer = KafkaProducer(**client_options(settings), acks="all", enable_idempotence=False)
    for number in range(count):
        producer.send(MENTIONS, partition=0, value=b"%d" % number)
    producer.flush(30)
    producer.close()


@pytest.mark.parametrize("fault", [kill, freeze])
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_redeliverer_that_failed_stays_failed(
    settings: Settings, broker: EmbeddedBroker, fault: Callable[[int], object]
) -> None:
    with Redeliverer(settings, read_incarnation(settings), "replay", timeout_s=2) as redeliverer:
        redeliverer.send_bytes(MENTIONS, None, b"confirmed", [], partition=0)
        redeliverer.flush()
        fault(broker.pid)
        redeliverer.send_bytes(MENTIONS, None, b"lost", [], partition=0)
        for _ in range(2):
            with pytest.raises(BrokerUnavailable, match="not confirmed"):
                redeliverer.flush()
        with pytest.raises(BrokerUnavailable, match="not confirmed"):
            redeliverer.send_bytes(MENTIONS, None, b"more", [], partition=0)
    # closing raised nothing that would hide the error
    assert redeliverer.sent_to == {0: 1}


def test_a_replay_whose_broker_goes_away_notes_only_what_was_confirmed(
    settings: Settings, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    total = 2 * SAVE_EVERY + 50
    fill(settings, total)
    incarnation = read_incarnation(settings)
    progress = Progress(
        incarnation=incarnation, topic=MENTIONS, generation=0, total=total, parts=(Part(0, 0, total),), began=NOW
    )  # fmt: skip

    def on_record(sent: int) -> None:
        if sent == SAVE_EVERY + 20:
            kill(broker.pid)

    with RangeReader(settings, timeout_s=5) as records:
        redeliverer = Redeliverer(settings, incarnation, "replay", timeout_s=3)
        replay = Replay(progress, tmp_path / "state.json", records, redeliverer)
        with pytest.raises(BrokerUnavailable), redeliverer:
            replay.run(Pace(PacePolicy(), None), on_record)
    found = load(tmp_path / "state.json", incarnation)
    assert found is not None
    assert found.sent <= redeliverer.sent_to[0] - total
    assert found.parts[0].next == found.sent >= SAVE_EVERY


class History:
    """In place of the table: what was written down, by action."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, letters: Iterable[tuple[DeadLetter, str]], action: str) -> None:
        self.written += [action for _ in letters]


def test_a_dead_letter_that_was_not_confirmed_is_not_replayed(settings: Settings, broker: EmbeddedBroker) -> None:
    value = json.dumps({"source": "t", "id": "1", "text": "x", "published_at": NOW.isoformat()}).encode()
    letters = [
        DeadLetter(
            stage="language",
            reason="too_old",
            error="",
            origin=Origin(incarnation="i", topic=MENTIONS, partition=0, offset=number),
            failed_at=NOW,
            key=b"k",
            value=value,
            headers=(),
        )
        for number in range(SAVE_EVERY + 5)
    ]
    history = History()
    with Redeliverer(settings, read_incarnation(settings), "dead_letter", timeout_s=2) as redeliverer:
        kill(broker.pid)
        with pytest.raises(BrokerUnavailable):
            resend([letters], redeliverer, cast(DeadActions, cast(Any, history)))
    assert set(history.written) == {"sending"}


@pytest.fixture
def sent_again(settings: Settings) -> Callable[..., Any]:
    """Send a record to partition 0 and redeliver it for a repair; gives what came the second time."""

    def again(generation: int | None = None, **record: Any) -> Any:
        producer = KafkaProducer(**client_options(settings), acks="all", enable_idempotence=False)
        first = producer.send(MENTIONS, partition=0, **record).get(10).offset
        producer.close()
        incarnation = read_incarnation(settings)
        with RangeReader(settings) as records:
            with Redeliverer(settings, incarnation, "repair", generation=generation) as redeliverer:
                for one in records.read(MENTIONS, 0, first, first + 1):
                    redeliverer.send(one)
                redeliverer.flush()
            (found,) = records.read(MENTIONS, 0, first + 1, first + 2)
        return found

    return again


NOW_S = int(time.time())
MISTAKEN = {"seconds": NOW_S, "microseconds": NOW_S * 10**6, "nanoseconds": NOW_S * 10**9, "none": 0}


@pytest.mark.parametrize("unit", MISTAKEN)
def test_a_stamp_that_cannot_be_one_is_believed_no_more_than_at_first(
    sent_again: Callable[..., Any], unit: str
) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    found = Incoming.of_record(sent_again(value=b"{}", timestamp_ms=MISTAKEN[unit]))
    came = delivery(found.origin("i"), found.headers)
    assert came.received_at is None
    # ... so that the stage falls back on the time of this delivery
    assert found.received_at(datetime.now(UTC)) >= before


def test_a_stamp_that_can_be_one_is_kept(sent_again: Callable[..., Any]) -> None:
    stamp = datetime(2026, 11, 23, 10, 0, 0, 123000, tzinfo=UTC)
    found = Incoming.of_record(sent_again(value=b"{}", timestamp_ms=int(stamp.timestamp() * 1000)))
    assert delivery(found.origin("i"), found.headers).received_at == stamp


@pytest.mark.parametrize(("told", "expected"), [(None, 7), (0, 0), (9, 9)])
def test_a_repair_keeps_what_a_record_was_sent_for(
    sent_again: Callable[..., Any], told: int | None, expected: int
) -> None:
    """``replay --rejudge`` lost it: the repair of it must judge anew as well; a replay says itself."""
    rejudged = Redelivery(origin=FIRST, reason="replay", received_at=NOW, generation=7)
    found = sent_again(value=b"{}", headers=[rejudged.header()], generation=told)
    again = Redelivery.of(found.headers)
    assert again is not None
    assert (again.origin, again.generation) == (FIRST, expected)


def test_a_repair_behind_the_first_stage_keeps_it_too(settings: Settings) -> None:
    mark = Via(positions=(FIRST,), generation=7)
    record = SimpleNamespace(topic=DETECTED, partition=0, offset=0, key=b"k", value=b"{}", headers=[mark.header()])
    with Redeliverer(settings, read_incarnation(settings), "repair") as redeliverer:
        redeliverer.send(record)
        redeliverer.flush()
    with RangeReader(settings) as records:
        (found,) = records.read(DETECTED, 0, 0, 1)
    assert via(found.headers) == mark


@pytest.mark.parametrize("name", ["traceparent", HEADER, VIA])
def test_a_header_without_a_value_is_passed_on_as_an_empty_one(settings: Settings, name: str) -> None:
    """Kafka allows it, kafka-python's producer does not."""
    record = SimpleNamespace(
        topic=MENTIONS, partition=0, offset=5, timestamp=0, key=b"k", value=b"{}", headers=[(name, None), ("a", b"1")]
    )
    with Redeliverer(settings, read_incarnation(settings), "repair") as redeliverer:
        redeliverer.send(record)
        redeliverer.flush()
    with RangeReader(settings) as records:
        (found,) = records.read(MENTIONS, 0, 0, 1)
    kept = [] if name in {HEADER, VIA} else [(name, b"")]
    assert found.headers[:-1] == [*kept, ("a", b"1")]
    again = Redelivery.of(found.headers)
    assert again is not None
    assert again.origin.offset == 5


def test_a_record_with_neither_key_nor_value_is_sent_again(settings: Settings) -> None:
    record = SimpleNamespace(topic=MENTIONS, partition=0, offset=5, timestamp=0, key=None, value=None, headers=[])
    with Redeliverer(settings, read_incarnation(settings), "repair") as redeliverer:
        redeliverer.send(record)
        redeliverer.flush()
        assert redeliverer.sent_to == {0: 1}


@pytest.mark.apache
def test_what_is_too_large_is_named_and_the_rest_is_sent(kafka_apache: str, make_settings: MakeSettings) -> None:
    """It ended the command, and every one after it at the same record."""
    settings = make_settings(kafka_brokers=kafka_apache)
    ensure_topics(settings)
    with admin(settings, 10.0) as client:
        client.alter_configs([ConfigResource(ConfigResourceType.TOPIC, MENTIONS, {"max.message.bytes": "2000"})])
    with KafkaProducer(**client_options(settings), acks="all", linger_ms=0) as producer:
        places = [producer.send(MENTIONS, partition=0, value=b"x" * size).get(20).offset for size in (10, 1_900, 20)]
    with (
        RangeReader(settings) as records,
        Redeliverer(settings, read_incarnation(settings), "replay") as redeliverer,
    ):
        for record in records.read(MENTIONS, 0, places[0], places[-1] + 1):
            redeliverer.send(record)
            redeliverer.flush()
        assert redeliverer.too_large == [f"{MENTIONS}/0/{places[1]}"]
        again = [r.value for r in records.read(MENTIONS, 0, places[-1] + 1, redeliverer.sent_to[0])]
    assert again == [b"x" * 10, b"x" * 20]
