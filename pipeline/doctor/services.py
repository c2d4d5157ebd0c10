"""Checks of Kafka and ClickHouse: connection, version, rights, topics, tables, room, clocks."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from clickhouse_driver import Client
from kafka import KafkaProducer
from kafka.errors import ClusterAuthorizationFailedError, KafkaError, TopicAuthorizationFailedError, for_code

from pipeline.consumption import unread
from pipeline.doctor.finding import Finding, fail, ok, skip, warn
from pipeline.embedded.files import Run
from pipeline.errors import ClickHouseRefused
from pipeline.kafka.admin import admin, kind, require_reachable, topic_states
from pipeline.kafka.client import client_options, unavailable
from pipeline.kafka.members import members
from pipeline.kafka.offsets import OffsetReader
from pipeline.settings import Settings

ANSWER_S: Final = 5.0
CLOCK_S: Final = 2.0
"""A clock that is off by more puts `stored_at` and latencies visibly wrong; windows of mentions have their own time."""
CLOCK_TOPIC: Final = "babelwatch.doctor"
OLDEST_CLICKHOUSE: Final = (24, 8)
LEAST_FREE: Final = 0.05
_OURS_MS: Final = 1000
"""Timestamp that the doctor gives its record: a broker that returns it has not looked at its clock."""


def kafka(settings: Settings) -> Iterator[Finding]:
    """Everything about the broker. Raises BrokerUnavailable, which says what to do."""
    if settings.kafka_brokers is None:
        yield skip("kafka", "KAFKA_BROKERS is not set and no stack runs: `babelwatch up` starts an embedded broker")
        return
    try:
        require_reachable(settings)
    except OSError as error:
        raise unavailable(settings, kind(error)) from None
    quick = settings.model_copy(update={"connect_timeout_s": ANSWER_S})
    states = topic_states(quick)
    yield ok("kafka", f"{settings.kafka_brokers} answers ({settings.kafka_security_protocol})")
    missing = [s.topic.name for s in states if not s.partitions]
    few = [
        f"{s.topic.name} has {s.partitions}"
        for s in states
        if s.partitions and s.partitions != (s.topic.partitions or settings.topic_partitions)
    ]
    if missing:
        yield warn("topics", f"missing: {', '.join(missing)}", "run `babelwatch topics` (`up` and workers do it too)")
    if few:
        yield warn(
            "topics",
            f"partitions differ from BABELWATCH_TOPIC_PARTITIONS={settings.topic_partitions}: {', '.join(few)}",
            "it works; set the variable to what is there, or run `babelwatch topics --add-partitions`",
        )
    if not missing and not few:
        yield ok("topics", f"{len(states)}, {settings.topic_partitions} partitions each")
    run = Run.read(settings.data_dir)
    if run is not None and run.kafka_embedded and run.kafka_brokers == settings.kafka_brokers:
        yield skip("kafka clock", "the embedded broker runs on this machine's")
    else:
        yield _broker_clock(quick)
    if not missing:
        yield from _consumers(quick)


def _consumers(settings: Settings) -> Iterator[Finding]:
    """Whether what waits is read; watches for up to 20 s where it is not at once seen to be."""
    with OffsetReader(settings, timeout_s=ANSWER_S) as reader:
        lags = reader.lag()
        problems = unread(lags, reader.lag, lambda groups: members(settings, groups))
    for problem in problems:
        yield fail(
            "consumers", problem, "`babelwatch status` names workers that are ill; start one: `babelwatch worker ROLE`"
        )
    if not problems:
        waits = sum(lag.lag for lag in lags)
        yield ok("consumers", f"the {waits:,} messages that wait are read" if waits else "no message waits")


def _broker_clock(settings: Settings) -> Finding:
    """Ask for the broker's time: the timestamp it gives a record of a topic with LogAppendTime, removed afterwards."""
    try:
        with admin(settings, ANSWER_S) as client:
            config = {"message.timestamp.type": "LogAppendTime", "retention.ms": "3600000"}
            answer = client.create_topics(
                {CLOCK_TOPIC: {"num_partitions": 1, "replication_factor": 1, "configs": config}}, raise_errors=False
            )
            error = for_code(answer["topics"][0]["error_code"])
            if error in {TopicAuthorizationFailedError, ClusterAuthorizationFailedError}:
                return skip("kafka clock", f"cannot be asked: the user may not create topic {CLOCK_TOPIC}")
            client.wait_for_topics([CLOCK_TOPIC])
            try:
                before, after, told = _append(settings)
                if told == _OURS_MS / 1000:
                    return skip("kafka clock", "cannot be asked: this broker keeps no LogAppendTime")
                return clock("kafka clock", before, after, told)
            finally:
                client.delete_topics([CLOCK_TOPIC], raise_errors=False)
    except (KafkaError, OSError) as problem:
        return skip("kafka clock", f"cannot be asked: {kind(problem)}")


def _append(settings: Settings) -> tuple[float, float, float]:
    """Return our time before and after an append, and the broker's in between, all in seconds."""
    producer = KafkaProducer(
        **client_options(settings), acks="all", enable_idempotence=False, max_block_ms=int(ANSWER_S * 1000)
    )
    try:
        producer.partitions_for(CLOCK_TOPIC)
        before = time.time()
        told = producer.send(CLOCK_TOPIC, b"doctor", timestamp_ms=_OURS_MS).get(timeout=ANSWER_S)
        return before, time.time(), told.timestamp / 1000
    finally:
        producer.close(timeout=2)


def clickhouse(settings: Settings) -> Iterator[Finding]:
    """Everything about ClickHouse. Raises ClickHouseUnavailable or ClickHouseRefused, which say what to do."""
    from pipeline.store.client import Address, clear_errors, connect, server_version

    if settings.clickhouse_url is None:
        yield skip("clickhouse", "CLICKHOUSE_URL is not set and no stack runs: `babelwatch up` starts an embedded one")
        return
    url = settings.require_clickhouse()
    address = Address.of(url)
    client = connect(url, timeout_s=ANSWER_S, database="")
    try:
        version = server_version(client)
        if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_CLICKHOUSE:
            yield fail(
                "clickhouse",
                f"{address} is version {version}",
                f"upgrade it to {'.'.join(map(str, OLDEST_CLICKHOUSE))} or later",
            )
        else:
            yield ok("clickhouse", f"{address} answers, version {version}, user {address.user}")
        with clear_errors(client):
            before = time.time()
            told = float(client.execute("SELECT toUnixTimestamp64Milli(now64(3)) / 1000")[0][0])
            yield clock("clickhouse clock", before, time.time(), told)
            yield from _disks(client)
        yield _rights(client, address.database)
        yield _tables(client, url, address.database)
    finally:
        client.disconnect()


def clock(check: str, before: float, after: float, told: float) -> Finding:
    """Compare: the true difference lies between those to our two readings."""
    off = max(before - told, told - after, 0.0)
    if off > CLOCK_S:
        theirs = datetime.fromtimestamp(told, UTC).isoformat(timespec="seconds")
        return fail(
            check,
            f"{off:.1f} s off ours ({theirs} there)",
            "set both clocks by NTP: latencies and windows depend on it",
        )
    return ok(check, f"agrees with ours within {off + (after - before):.2f} s")


def _disks(client: Client) -> Iterator[Finding]:
    for name, free, total in client.execute("SELECT name, free_space, total_space FROM system.disks"):
        room = f"{name}: {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
        if total and free / total < LEAST_FREE:
            yield warn("clickhouse disk", room, "free some space, or shorten what is kept")
        else:
            yield ok("clickhouse disk", room)


def _rights(client: Client, database: str) -> Finding:
    from pipeline.store.client import clear_errors

    wanted = ("SELECT", "INSERT", "CREATE TABLE", "ALTER TABLE")
    missing = []
    try:
        with clear_errors(client):
            for right in wanted:
                # The name was checked by Address and is quoted; rights are constants.
                rows: Any = client.execute(f"CHECK GRANT {right} ON `{database}`.*")
                if not rows[0][0]:
                    missing.append(right)
    except ClickHouseRefused:
        return skip("clickhouse rights", "this version cannot be asked (CHECK GRANT)")
    if missing:
        return fail(
            "clickhouse rights",
            f"missing on {database}: {', '.join(missing)}",
            f"GRANT {', '.join(missing)} ON {database}.* TO the user of CLICKHOUSE_URL",
        )
    return ok("clickhouse rights", f"{', '.join(wanted)} on {database}")


def _tables(client: Client, url: str, database: str) -> Finding:
    from pipeline.store.client import clear_errors, connect
    from pipeline.store.migrations import RECORD, sources

    with clear_errors(client):
        exists = client.execute(
            "SELECT count() FROM system.tables WHERE database = %(d)s AND name = %(t)s", {"d": database, "t": RECORD}
        )[0][0]
    if not exists:
        return warn("tables", f"database {database} has none", "run `babelwatch migrate` (`up` does it too)")
    inside = connect(url, timeout_s=ANSWER_S)
    try:
        with clear_errors(inside):
            applied = {name for (name,) in inside.execute(f"SELECT DISTINCT name FROM {RECORD}")}  # noqa: S608
    finally:
        inside.disconnect()
    known = [name for name, _ in sources()]
    missing = [name for name in known if name not in applied]
    unknown = sorted(applied - set(known))
    if unknown:
        return fail(
            "tables", f"{database} was made by a later version ({', '.join(unknown)})", "upgrade this babelwatch"
        )
    if missing:
        return warn("tables", f"not applied: {', '.join(missing)}", "run `babelwatch migrate` (`up` does it too)")
    return ok("tables", f"{len(known)} migrations applied to {database}")
