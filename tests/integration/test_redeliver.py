"""Records sent once more through a real broker, also one that goes away: nothing counts that was not confirmed."""

import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
from kafka import KafkaProducer

from pipeline.dead.resend import resend
from pipeline.embedded.broker import EmbeddedBroker
from pipeline.errors import BrokerUnavailable
from pipeline.kafka.admin import ensure_topics, read_incarnation
from pipeline.kafka.client import client_options
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.redeliver import Redeliverer
from pipeline.kafka.topics import MENTIONS
from pipeline.replay import SAVE_EVERY, Part, Progress, Replay, load
from pipeline.settings import Settings
from pipeline.sources.pace import Pace, PacePolicy
from pipeline.store.dead_actions import DeadActions
from schemas.events import Origin
from tests.freezing import freeze, thaw
from tests.integration.store_support import NOW

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120), pytest.mark.embedded]

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
        incarnation=incarnation, topic=MENTIONS, generation=0, total=total, parts=(Part(0, 0, total),)
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
