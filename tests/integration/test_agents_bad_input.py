"""Every bad input of the stream through the real workers: each a dead letter with its reason, the good ones stored."""

import asyncio
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from kafka import KafkaConsumer, KafkaProducer

from pipeline.kafka.client import client_options
from pipeline.kafka.deadletter import DeadLetter
from pipeline.kafka.topics import DEAD, MENTIONS
from pipeline.settings import Settings
from pipeline.store.client import connect
from tests.integration.worker_process import WorkerProcess, wait_until


def mention(**fields: Any) -> bytes:
    base = {"source": "test", "text": "all is well", "published_at": datetime.now(UTC).isoformat()}
    return json.dumps({k: v for k, v in (base | fields).items() if v is not ...}).encode()


BAD: dict[str, tuple[bytes | None, str]] = {
    "no value": (None, "not_json"),
    "not UTF-8": (b"\xff\xfe\x00", "not_utf8"),
    "not JSON": (b"{not json", "not_json"),
    "a wrong type": (mention(text=7), "invalid"),
    "text missing": (mention(text=...), "invalid"),
    "text empty": (mention(text=""), "invalid"),
    "text blank": (mention(text=" \u200b\n"), "blank_text"),
    "1 MB text": (mention(text="x" * 1_000_000), "text_too_long"),
    "nesting 10,000 deep": (b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "not_json"),
    "10,000 lists": (b"[" * 10_000, "invalid"),
    "NUL in a string": (mention(text="a\0b"), "nul_byte"),
    "a NUL byte": (b'{"source":"test\0"}', "not_json"),
    "a lone surrogate": (mention(text="HERE").replace(b"HERE", b"\\ud800"), "not_json"),
    "year 9999": (mention(published_at="9999-12-31T23:59:59Z"), "in_the_future"),
    "the far future": (mention(published_at="2200-01-01T00:00:00Z"), "in_the_future"),
    "long ago": (mention(published_at="1815-06-18T11:00:00Z"), "too_old"),
    "NaN": (mention(reach=float("nan")), "not_json"),
    "an unknown version": (mention(version=99), "unknown_version"),
    "an unknown type": (mention(type="poll"), "unknown_type"),
}


def good() -> list[bytes]:
    """Mentions that look odd and are fine."""
    return [
        mention(id="plain"),
        mention(id="unknown fields", mood={"sunny": [1, 2, None]}, tags=["x"]),
        mention(id="emoji", text="😡😡😡"),
        mention(id="rtl", text="الخدمة سيئة جدا \u202e abc"),
        mention(id="a pair of surrogates", text="HERE").replace(b"HERE", b"\\ud83d\\ude00 nice"),
        mention(id="a quote", text="Robert'); DROP TABLE mentions;--"),
        mention(text="no id"),
    ]


class Bytes(str):
    """A header's name as a client in C may write it."""

    def encode(self, *_: Any) -> bytes:
        return b"a\xff\xfe"


def send_in_odd_batches(settings: Settings) -> int:
    """Good mentions in batches that a client library may refuse; returns how many."""
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        with KafkaProducer(**client_options(settings), acks="all", compression_type=codec) as producer:
            producer.send(MENTIONS, key=b"good", value=mention(id=codec, text="all is well " * 30)).get(20)
            producer.send(MENTIONS, key=b"good", value=mention(id=f"name {codec}"), headers=[(Bytes("x"), b"v")]).get(
                20
            )

    async def without_value() -> None:
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as producer:
            await producer.send_and_wait(MENTIONS, mention(id="no value"), key=b"good", headers=[("trace", None)])

    asyncio.run(without_value())
    return 9


@pytest.mark.long("embedded")
@pytest.mark.timeout(240)
def test_bad_input_becomes_dead_letters_and_the_good_is_stored(
    kafka: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka, clickhouse_url=clickhouse_url)
    with (
        WorkerProcess("language", settings, tmp_path) as language,
        WorkerProcess("sentiment", settings, tmp_path) as sentiment,
        WorkerProcess("sink", settings, tmp_path) as sink,
    ):
        workers = (language, sentiment, sink)
        for worker in workers:
            worker.ready()
        expected: dict[tuple[int, int], tuple[str, bytes, str]] = {}
        producer = KafkaProducer(**client_options(settings), acks="all", max_request_size=2 << 20)
        for number, (name, (raw, reason)) in enumerate(BAD.items()):
            key = None if number % 2 else f"key {number}".encode()
            where = producer.send(MENTIONS, key=key, value=raw, headers=[("trace", name.encode())]).get(20)
            expected[where.partition, where.offset] = (reason, raw or b"", name)
        for raw in good():
            producer.send(MENTIONS, key=b"good", value=raw).get(20)
        producer.close()
        odd = send_in_odd_batches(settings)
        producer = KafkaProducer(**client_options(settings), acks="all")
        producer.send(MENTIONS, key=b"good", value=mention(id="after them")).get(20)
        producer.close()
        client = connect(clickhouse_url)

        def count(sql: str) -> int:
            return int(client.execute(sql)[0][0])

        wait_until(
            "the good are stored",
            lambda: count("SELECT count() FROM mentions FINAL WHERE is_deleted = 0") == len(good()) + odd + 1,
            60,
        )
        wait_until("the dead are stored", lambda: count("SELECT count() FROM dead_letters FINAL") == len(BAD), 60)
        letters = read_dead(settings, len(BAD))
        for letter in letters:
            reason, raw, name = expected.pop((letter.origin.partition, letter.origin.offset))
            assert (letter.reason, letter.stage, letter.origin.topic) == (reason, "language", MENTIONS), name
            assert letter.value == raw, name
            assert letter.error, name
            assert dict(letter.headers)["trace"] == name.encode(), "headers pass through"
        assert not expected, "each bad input is one dead letter"
        stored = {
            row[0]: row[1]
            for row in client.execute("SELECT reason, count() FROM dead_letters FINAL GROUP BY reason ORDER BY reason")
        }
        assert stored == {
            reason: sum(r == reason for _, r in BAD.values()) for reason in sorted({r for _, r in BAD.values()})
        }
        assert language.page("/metrics")[1].count("babelwatch_dead_letters_total{") == len({r for _, r in BAD.values()})
        for worker in workers:
            wait_until(f"{worker.role} is well\n{worker.log()}", worker.healthy, 30)


def read_dead(settings: Settings, count: int) -> list[DeadLetter]:
    """Read ``count`` dead letters from the topic (and a moment longer, for any that are too many)."""
    consumer = KafkaConsumer(
        DEAD,
        **client_options(settings),
        auto_offset_reset="earliest",
        group_id=None,
        max_partition_fetch_bytes=4 << 20,
    )
    letters: list[DeadLetter] = []
    deadline = time.monotonic() + 30
    while len(letters) < count and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=500).values():
            letters += [DeadLetter.from_record(r.value or b"", r.key, list(r.headers)) for r in records]
    for records in consumer.poll(timeout_ms=1000).values():
        letters += [DeadLetter.from_record(r.value or b"", r.key, list(r.headers)) for r in records]
    consumer.close()
    return letters


@pytest.mark.timeout(120)
def test_a_worker_stops_before_it_moves_a_whole_topic_to_the_dead_letters(
    kafka_embedded: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded)
    with WorkerProcess("language", settings, tmp_path) as language:
        language.ready()
        producer = KafkaProducer(**client_options(settings), acks="all")
        for number in range(3000):
            producer.send(MENTIONS, key=str(number).encode(), value=b"<xml/>")
        producer.close()
        assert language.wait(60) == 8
        assert "babelwatch dead list" in language.log()
    assert len(read_dead(settings, 1200)) <= 1200, "it stopped after about one window"
