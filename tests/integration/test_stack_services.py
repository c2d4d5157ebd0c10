"""What the doctor says of real services."""

from collections.abc import Callable

import pytest

from pipeline.doctor import services
from pipeline.doctor.finding import Finding, Level
from pipeline.embedded.clickhouse import EmbeddedClickHouse
from pipeline.errors import ClickHouseRefused
from pipeline.kafka.admin import ensure_topics
from pipeline.settings import Settings
from pipeline.store.migrations import migrate

MakeSettings = Callable[..., Settings]


def by_check(findings: object) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}  # type: ignore[attr-defined]


def test_kafka_before_and_after_its_topics(kafka: str, make_settings: MakeSettings) -> None:
    settings = make_settings(kafka_brokers=kafka)
    before = by_check(services.kafka(settings))
    assert before["kafka"].level is Level.OK
    assert before["topics"].level is Level.WARN
    assert "babelwatch topics" in before["topics"].remedy
    ensure_topics(settings)
    assert by_check(services.kafka(settings))["topics"].level is Level.OK
    other = by_check(services.kafka(settings.model_copy(update={"topic_partitions": 7})))
    assert other["topics"].level is Level.WARN
    assert "mentions has 4" in other["topics"].found


@pytest.mark.apache
def test_the_brokers_clock_is_measured_and_the_topic_for_it_removed(
    kafka_apache: str, make_settings: MakeSettings
) -> None:
    from kafka.admin import KafkaAdminClient

    assert by_check(services.kafka(make_settings(kafka_brokers=kafka_apache)))["kafka clock"].level is Level.OK
    with KafkaAdminClient(bootstrap_servers=kafka_apache) as admin:
        assert services.CLOCK_TOPIC not in admin.list_topics()


def test_a_broker_without_a_clock_is_not_called_right(kafka_embedded: str, make_settings: MakeSettings) -> None:
    assert by_check(services.kafka(make_settings(kafka_brokers=kafka_embedded)))["kafka clock"].level is Level.SKIP


def test_clickhouse_before_and_after_its_tables(clickhouse_url: str, make_settings: MakeSettings) -> None:
    settings = make_settings(clickhouse_url=clickhouse_url)
    before = by_check(services.clickhouse(settings))
    assert before["tables"].level is Level.WARN
    assert "babelwatch migrate" in before["tables"].remedy
    migrate(clickhouse_url)
    after = by_check(services.clickhouse(settings))
    assert {f.level for f in after.values()} <= {Level.OK, Level.WARN}  # the disk may be nearly full
    for check in ("clickhouse", "clickhouse clock", "clickhouse rights", "tables"):
        assert after[check].level is Level.OK, after[check]


def test_a_user_without_rights(clickhouse_server: EmbeddedClickHouse, make_settings: MakeSettings) -> None:
    """`default` of the embedded server may do next to nothing."""
    url = f"clickhouse://default:@127.0.0.1:{clickhouse_server.tcp_port}/babelwatch"
    found: list[Finding] = []
    with pytest.raises(ClickHouseRefused):
        found += services.clickhouse(make_settings(clickhouse_url=url))


def test_a_database_of_a_later_version(clickhouse_url: str, make_settings: MakeSettings) -> None:
    from clickhouse_driver import Client

    migrate(clickhouse_url)
    client = Client.from_url(clickhouse_url)
    client.execute("INSERT INTO schema_migrations (name, checksum) VALUES", [("9999_later", "x")])
    client.disconnect()
    finding = by_check(services.clickhouse(make_settings(clickhouse_url=clickhouse_url)))["tables"]
    assert finding.level is Level.FAIL
    assert "9999_later" in finding.found
