"""Dead letters fixed, replayed and purged, through real workers: counted once, with their history."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client

from pipeline.dead.resend import resend
from pipeline.kafka.admin import ensure_topics, read_incarnation
from pipeline.kafka.redeliver import Redeliverer
from pipeline.settings import Settings
from pipeline.sources.producer import MentionProducer
from pipeline.store.client import connect
from pipeline.store.dead_actions import DeadActions
from pipeline.store.deadletters import DeadLetterStore, Filter
from tests.integration.store_support import NOW
from tests.integration.worker_process import WorkerProcess, command_json, environment_of, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.embedded]

GOOD = {"source": "t", "id": "m1", "text": "the Lumora is fine", "published_at": NOW.isoformat()}


class Pipeline:
    """Three workers, some poison, and the command."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.client: Client = connect(settings.require_clickhouse())
        self.letters = DeadLetterStore(self.client)

    def send(self, *values: bytes) -> None:
        with MentionProducer(self.settings) as producer:
            for value in values:
                producer.send(value)
            producer.flush()

    def dead(self, *arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.cli", "dead", *arguments],
            env=environment_of(self.settings),
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def origins(self, state: str = "open") -> list[str]:
        return [json.loads(line)["origin"] for line in self.dead("list", "--json", "--state", state)[1].splitlines()]

    def history(self, origin: str) -> list[str]:
        return [one["action"] for one in json.loads(self.dead("show", origin, "--json")[1])["history"]]

    def stored(self) -> int:
        return int(self.client.execute("SELECT count() FROM mentions FINAL WHERE is_deleted = 0")[0][0])

    def ended(self) -> dict[str, Any]:
        found: dict[str, Any] = command_json(self.settings, "reconcile")[1]
        return found


@pytest.fixture
def pipeline(
    kafka_embedded: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> Iterator[Pipeline]:
    settings = make_settings(kafka_brokers=kafka_embedded, clickhouse_url=clickhouse_url)
    ensure_topics(settings)
    workers = [WorkerProcess(role, settings, tmp_path) for role in ("sink", "sentiment", "language")]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.ready()
        yield Pipeline(settings)
    finally:
        for worker in workers:
            worker.kill()


def test_fixed_and_replayed_it_counts_once_with_its_history(pipeline: Pipeline) -> None:
    poison = json.dumps({**GOOD, "published_at": "yesterday"}).encode()
    pipeline.send(poison, b"{not json", b"\xff")
    wait_until("three are dead", lambda: pipeline.letters.open_count() == 3, 60)
    invalid = next(o for o in pipeline.origins() if pipeline.letters.list(Filter(reason="invalid")))
    (letter,) = pipeline.letters.list(Filter(reason="invalid"))
    invalid = f"mentions/{letter.origin.partition}/{letter.origin.offset}"

    # as it is, it dies again: open again, and nothing was lost of what was done
    code, said, errors = pipeline.dead("replay", invalid)
    assert (code, "1 sent" in said) == (0, True), errors
    wait_until(
        "it died again",
        lambda: pipeline.letters.list(Filter(reason="invalid"))[:1] != [letter] and pipeline.letters.open_count() == 3,
        30,
    )
    assert pipeline.history(invalid) == ["sending", "replayed"]

    # what the stage would refuse again is not sent
    code, _, errors = pipeline.dead("fix", invalid, "--set", "published_at=tomorrow")
    assert code == 10
    assert "would refuse it again" in errors
    code, said, errors = pipeline.dead("fix", invalid, "--set", f"published_at={GOOD['published_at']}")
    assert (code, "1 sent" in said) == (0, True), errors
    wait_until("it is stored", lambda: pipeline.stored() == 1, 30)
    assert pipeline.history(invalid)[-1] == "fixed"
    assert pipeline.letters.open_count() == 2
    assert pipeline.letters.count() == 2
    (row,) = pipeline.client.execute("SELECT `partition`, `offset` FROM mentions FINAL")
    assert row == (letter.origin.partition, letter.origin.offset), "it keeps where it first entered"

    # sent twice it counts once
    code, _, errors = pipeline.dead("fix", invalid, "--set", f"published_at={GOOD['published_at']}")
    assert code == 0, errors

    # many need --yes where nobody can be asked, and what cannot be mended is said
    code, _, errors = pipeline.dead("replay", "--all")
    assert (code, "--yes" in errors) == (2, True)
    code, said, _ = pipeline.dead("replay", "--all", "--dry-run")
    assert (code, "2 dead letters would be sent" in said) == (0, True)

    code, said, errors = pipeline.dead("purge", "--all", "--why", "noise of a test", "--erase", "--yes")
    assert (code, "2 purged" in said) == (0, True), errors
    assert (pipeline.letters.open_count(), pipeline.letters.count()) == (0, 2)
    assert {found.value for found in pipeline.letters.list(Filter(state="purged"))} == {b""}
    assert pipeline.origins() == []
    assert len(pipeline.origins("purged")) == 2

    found = pipeline.ended()
    assert found["complete"], found
    # the two, and the record by which the third died again
    assert found["counts"]["dead"] == 3
    assert pipeline.stored() == 1


def test_all_ends_although_each_dies_again(pipeline: Pipeline) -> None:
    """Slower than they die: a run that also took what died in it would go on for ever."""
    pipeline.send(*(b"{not json %d" % n for n in range(5)))
    wait_until("five are dead", lambda: pipeline.letters.open_count() == 5, 60)
    code, said, errors = pipeline.dead("replay", "--all", "--rate", "2", "--yes")
    assert (code, "5 sent" in said) == (0, True), errors
    wait_until("all died again", lambda: pipeline.letters.open_count() == 5, 30)
    assert {tuple(pipeline.history(origin)) for origin in pipeline.origins()} == {("sending", "replayed")}


def test_a_sending_that_was_cut_short_is_open_and_sent_again(pipeline: Pipeline) -> None:
    pipeline.send(*(json.dumps({**GOOD, "id": f"m{n}", "version": 99}).encode() for n in range(4)))
    wait_until("four are dead", lambda: pipeline.letters.open_count() == 4, 60)
    letters = pipeline.letters.list(limit=10)
    incarnation = read_incarnation(pipeline.settings)
    calls = 0

    def stop_at_the_third() -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with Redeliverer(pipeline.settings, incarnation, "dead_letter") as redeliverer:
        actions = DeadActions(pipeline.client, "run-1")
        with pytest.raises(KeyboardInterrupt):
            resend(
                [letters],
                redeliverer,
                actions,
                mend=lambda one: one.value.replace(b'"version": 99', b'"version": 1'),
                before_each=stop_at_the_third,
            )
    wait_until("two are stored", lambda: pipeline.stored() == 2, 30)
    assert pipeline.letters.open_count() == 2
    states = sorted(tuple(done.action for done in actions.history(one.origin)) for one in letters)
    assert states == [("sending",), ("sending",), ("sending", "fixed"), ("sending", "fixed")]
    code, _, errors = pipeline.dead("fix", "--all", "--set", "version=1", "--yes", "--rate", "100")
    assert code == 0, errors
    wait_until("all are stored", lambda: pipeline.stored() == 4, 30)
    assert pipeline.letters.open_count() == 0
