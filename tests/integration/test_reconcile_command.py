"""`babelwatch reconcile` while messages wait unread: nothing is proven, and nothing is sent twice. No worker runs."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import OffsetReader, end_offsets
from pipeline.kafka.topics import GROUPS, MENTIONS
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from pipeline.store.migrations import migrate
from schemas.events import Mention
from tests.integration.store_support import NOW
from tests.integration.worker_process import command_json, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SENT = 30


def mentions(producer: MentionProducer, count: int) -> None:
    for number in range(count):
        producer.send(Mention(source="waits", id=f"m{number}", text="the Lumora is fine", published_at=NOW))
    producer.flush()


class Waiting:
    """A broker and tables, messages in ``mentions``, and whatever a test commits in the name of a worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        ensure_topics(settings)
        migrate(settings.require_clickhouse())
        self.send(SENT)

    def send(self, count: int) -> None:
        with MentionProducer(self.settings) as producer:
            mentions(producer, count)

    def command(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        return command_json(self.settings, "reconcile", *arguments, timeout_s=60)

    def sent(self) -> int:
        return sum(end_offsets(self.settings, MENTIONS).values())

    def read_and_lose(self) -> None:
        """What a language worker does that commits what it has thrown away."""
        commit(self.settings, end_offsets(self.settings, MENTIONS))


def commit(settings: Settings, offsets: dict[int, int]) -> None:
    consumer = KafkaConsumer(**client_options(settings), group_id=GROUPS["language"], enable_auto_commit=False)
    try:
        consumer.commit({TopicPartition(MENTIONS, p): OffsetAndMetadata(o, "", -1) for p, o in offsets.items()})
    finally:
        consumer.close(autocommit=False)


@pytest.fixture
def waiting(kafka: str, clickhouse_url: str, make_settings: Callable[..., Settings]) -> Waiting:
    return Waiting(make_settings(kafka_brokers=kafka, clickhouse_url=clickhouse_url))


def test_what_no_worker_has_read_is_waited_for(waiting: Waiting) -> None:
    for arguments in ((), ("--since", "1h"), ("--repair",)):
        code, told, errors = waiting.command("--timeout", "1", *arguments)
        assert (code, told["complete"], told["sent_again"]) == (14, False, None), arguments
        assert f"language has {SENT} messages of mentions before it" in told["waits_for"]
        assert "not proven within 1 s" in errors
    # ... also when a worker has read all the others before it was stopped
    waiting.read_and_lose()
    waiting.send(7)
    code, told, _ = waiting.command("--timeout", "1")
    assert (code, told["waits_for"]) == (14, "language has 7 messages of mentions before it")


def test_a_repair_that_was_not_read_yet_is_not_sent_again(waiting: Waiting) -> None:
    waiting.read_and_lose()
    code, told, _ = waiting.command("--repair", "--timeout", "1")
    assert (code, told["sent_again"], waiting.sent()) == (14, SENT, 2 * SENT)
    for _ in range(2):
        code, told, _ = waiting.command("--repair", "--timeout", "1")
        assert (code, told["sent_again"], waiting.sent()) == (14, None, 2 * SENT)


def test_what_is_sent_after_the_command_began_is_not_waited_for(waiting: Waiting) -> None:
    """Endless input, and a worker that is always a little behind: the look ends all the same."""
    settings = waiting.settings
    enough = threading.Event()
    rounds = 0

    def stream() -> None:
        nonlocal rounds
        with OffsetReader(settings) as reader, MentionProducer(settings) as producer:
            while not enough.is_set():
                read = {partition: end for (_, partition), end in reader.ends([MENTIONS]).items()}
                mentions(producer, 8)
                commit(settings, read)
                rounds += 1
                time.sleep(0.05)

    thread = threading.Thread(target=stream, daemon=True)
    thread.start()
    try:
        wait_until("the stream flows", lambda: rounds > 2, 30)
        code, told, _ = waiting.command("--timeout", "30")
        assert code == 13, "nothing is in the ledger, which is said instead of waiting for ever"
        assert told["gap_offsets"] >= SENT
        assert told["waits_for"] == ""
    finally:
        enough.set()
        thread.join(30)
