"""Retention that works while the ledger is settled, on Apache Kafka: what it removes is lost, not absent."""

from collections.abc import Callable

import pytest
from kafka import KafkaProducer, TopicPartition

from pipeline.kafka.admin import admin, ensure_topics, read_incarnation
from pipeline.kafka.client import client_options
from pipeline.kafka.offsets import OffsetReader
from pipeline.kafka.ranges import RangeReader
from pipeline.kafka.topics import MENTIONS
from pipeline.ledger import Bounds, Gap, Proof, prove
from pipeline.repair import settle
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.ledger import LedgerStore
from pipeline.store.migrations import migrate

pytestmark = [pytest.mark.slow, pytest.mark.apache]


def test_what_retention_removes_meanwhile_stays_a_gap(
    kafka_apache: str, clickhouse_url: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(kafka_brokers=kafka_apache, clickhouse_url=clickhouse_url)
    ensure_topics(settings)
    migrate(clickhouse_url)
    incarnation = read_incarnation(settings)
    store = LedgerStore(connect(clickhouse_url))
    producer = KafkaProducer(**client_options(settings), acks="all", transactional_id="settle")
    producer.init_transactions()
    producer.begin_transaction()
    for n in range(100):
        producer.send(MENTIONS, partition=1, value=b"%d" % n)
    producer.commit_transaction()
    producer.close()
    proofs: list[Proof] = []
    with OffsetReader(settings) as offsets, RangeReader(settings) as records:

        def look() -> tuple[tuple[Gap, ...], tuple[Gap, ...]]:
            begin = offsets.begins([MENTIONS])[MENTIONS, 1]
            proof = prove(1, Bounds(0, 101, begin, 101), store.gaps(incarnation, MENTIONS, 1, 0, 101), {})
            proofs.append(proof)
            return proof.gaps, proof.lost

        assert look() == ((Gap(1, 0, 101),), ())
        with admin(settings, 10) as client:
            client.delete_records({TopicPartition(MENTIONS, 1): 60})
        # by what was known before; the transaction's marker is the only offset without a record
        assert settle(offsets, records, store, incarnation, proofs) == 1
        assert look() == ((Gap(1, 60, 100),), (Gap(1, 0, 60),))
