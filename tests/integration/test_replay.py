"""A replay through real workers: counts stay, what is missing comes back, what is judged anew replaces the old."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client

from pipeline.kafka.admin import ensure_topics
from pipeline.kafka.offsets import OffsetReader
from pipeline.settings import Settings
from pipeline.sources.pace import waiting_messages
from pipeline.sources.producer import MentionProducer
from pipeline.store.client import connect
from schemas.events import Mention
from tests.integration.store_support import NOW, assert_rollups_equal_recount
from tests.integration.worker_process import WorkerProcess, command_json, counted, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.embedded]

LUMORA = "version: 1\nbrands:\n  - {id: lumora, name: Lumora, names: [Lumora]}\n"
ZENTAVO = LUMORA + "  - {id: zentavo, name: Zentavo, names: [Zentavo]}\n"


def mention(number: int) -> Mention:
    return Mention(source="t", id=f"m{number}", text=f"Zentavo and Lumora ({number})", published_at=NOW)


def by_brand(client: Client) -> dict[str, int]:
    rows = client.execute("SELECT brand, sum(mentions) FROM rollup_minute FINAL GROUP BY brand")
    return {brand: n for brand, n in rows if n}


def replay(settings: Settings, *arguments: str) -> tuple[int, dict[str, Any], str]:
    return command_json(settings, "replay", *arguments)


def test_a_replay_changes_no_count_brings_back_what_is_gone_and_replaces_when_told_to(
    kafka_embedded: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    brands = tmp_path / "brands.yaml"
    brands.write_text(LUMORA, encoding="utf-8")
    settings = make_settings(kafka_brokers=kafka_embedded, clickhouse_url=clickhouse_url, brands_file=brands)
    ensure_topics(settings)
    workers = [WorkerProcess(role, settings, tmp_path) for role in ("sink", "sentiment", "language")]
    client = connect(clickhouse_url)

    def drained() -> bool:
        with OffsetReader(settings) as reader:
            return not waiting_messages(reader)

    try:
        for worker in workers:
            worker.start()
        with MentionProducer(settings) as producer:
            for number in range(40):
                producer.send(mention(number))
            producer.flush()
        for worker in workers:
            worker.ready()
        wait_until("all are counted", lambda: counted(client) == 40, 60)
        assert by_brand(client) == {"": 40, "lumora": 40}

        code, told, errors = replay(settings, "--from", "1h", "--dry-run")
        assert (code, told["offsets"], told["sent"]) == (0, 40, 0), errors

        # the same again changes nothing
        code, told, errors = replay(settings, "--from", "0", "--rate", "400")
        assert (code, told["sent"], told["left"]) == (0, 40, 0), errors
        wait_until("the replay went through", drained, 60)
        assert by_brand(client) == {"": 40, "lumora": 40}
        assert_rollups_equal_recount(client)

        # what the table has lost comes back; from the second stage's topic as well
        for stage in ("language", "sentiment"):
            client.execute("TRUNCATE TABLE mentions")
            client.execute("TRUNCATE TABLE mention_locations")
            code, _, errors = replay(settings, "--from", "0", "--stage", stage)
            assert code == 0, errors
            wait_until(f"all came back by {stage}", lambda: counted(client) == 40 and drained(), 60)
        assert int(client.execute("SELECT count() FROM mentions FINAL")[0][0]) == 40

        # another brands file: only what is told to takes the place of what is stored
        brands.write_text(ZENTAVO, encoding="utf-8")
        # (it is looked at again with the next message)
        code, _, errors = replay(settings, "--from", "0", "--to", "5", "--restart")
        assert code == 0, errors
        wait_until("the replay went through", drained, 60)
        assert by_brand(client) == {"": 40, "lumora": 40}
        code, told, errors = replay(settings, "--from", "1h", "--rejudge")
        assert (code, told["generation"]) == (0, 1), errors
        wait_until("history follows", lambda: by_brand(client) == {"": 40, "lumora": 40, "zentavo": 40}, 60)
        wait_until("the replay went through", drained, 60)
        assert_rollups_equal_recount(client)
    finally:
        for worker in workers:
            worker.kill()
        client.disconnect()


def test_a_range_of_nothing_and_arguments_that_mean_nothing(
    kafka_embedded: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(kafka_brokers=kafka_embedded)
    ensure_topics(settings)
    code, told, _ = replay(settings, "--from", "1h")
    assert (code, told["offsets"]) == (0, 0)
    assert replay(settings, "--from", "soon")[0] == 2
    code, _, errors = replay(settings, "--from", "1h", "--partition", "9")
    assert code == 2
    assert "from 0 to 3" in errors
