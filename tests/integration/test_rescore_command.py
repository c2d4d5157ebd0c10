"""`babelwatch rescore` with real models, as a user runs it, killed and run again: API, rollups and rows agree."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from clickhouse_driver import Client

from pipeline.sentiment.installed import load_proved
from pipeline.sentiment.model import Int8Model
from pipeline.sentiment.rule import named
from pipeline.settings import Settings
from pipeline.store.client import connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate
from schemas.events import LABELS, ScoredMention
from tests.browser.stage import TOKEN, dashboard
from tests.integration.rescore_support import judged
from tests.integration.store_support import NOW, RECENT, assert_rollups_equal_recount, scored
from tests.integration.worker_process import environment_of, wait_until
from tests.model_variant import variant
from tests.sentiment_folder import with_rule
from tests.unit.sentiment_texts import LANGUAGES, TEXTS

COUNT = 120
LIMIT_S = 300


def babelwatch(settings: Settings, *args: str, limit_s: float = LIMIT_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*args), env=environment_of(settings), capture_output=True, text=True, timeout=limit_s, check=False
    )


def command(*args: str) -> list[str]:
    return [sys.executable, "-c", "from pipeline.cli.main import main; main()", *args]


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def live(model: Int8Model) -> list[ScoredMention]:
    """What a worker with ``model`` would have sent: distinct texts of the last hour."""
    texts = [f"{text} {n}" for n, text in enumerate(TEXTS[::2][:COUNT])]
    languages = LANGUAGES[::2][:COUNT]
    events = []
    for n, (text, language) in enumerate(zip(texts, languages, strict=True)):
        events.append(
            scored(
                f"m{n}",
                at=RECENT + timedelta(seconds=n),
                text=text,
                language=language,
                brands=((), ("lumora",), ("zentavo",))[n % 3],
            )
        )
    for event, judgement in zip(events, model.judge(texts, languages), strict=True):
        event.judgements = [judgement]
    return events


def assert_api_equals_recount(url: str, client: Client) -> None:
    """The page's API against the rows."""
    rows = client.execute(
        "SELECT CAST(label, 'String'), language, brands FROM mentions FINAL WHERE is_deleted = 0 AND tenant = 'default'"
    )
    with (
        dashboard(url) as page,
        httpx.Client(base_url=f"{page.url}/api/v1", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as api,
    ):

        def get(path: str, **params: str | int) -> dict[str, Any]:
            found: dict[str, Any] = api.get(path, params={"window_s": 7200, **params}).raise_for_status().json()
            return found

        summary = get("/summary")
        newest = client.execute("SELECT model, rule FROM mentions FINAL ORDER BY stored_at DESC LIMIT 1")[0]
        assert (summary["model"], summary["rule"]) == newest
        mood = dict(summary["mood"])
        assert mood["mentions"] == len(rows)
        assert {label: mood[label] for label in LABELS} == {
            label: sum(row[0] == label for row in rows) for label in LABELS
        }
        for path, column, counts in (
            ("/languages", "language", Counter(row[1] for row in rows)),
            ("/brands", "brand", Counter(brand for row in rows for brand in row[2])),
        ):
            assert {row[column]: row["mentions"] for row in get(path)[path.strip("/")]} == dict(counts)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.embedded
@pytest.mark.timeout(1200)
def test_killed_in_the_middle_and_run_again(
    kafka_embedded: str, clickhouse_url: str, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = make_settings(
        kafka_brokers=kafka_embedded, clickhouse_url=clickhouse_url, models_dir=tmp_path / "models"
    )
    migrate(clickhouse_url)
    client = connect(clickhouse_url)
    old = load_proved(settings.model_path, settings)
    events = live(old)
    MentionStore(client).write(events)
    folder = variant(settings.models_dir / "sunny", "sunny", (0.0, 0.0, 1.5))
    new = load_proved(folder, settings)
    ok(babelwatch(settings, "model", "use", "sunny"))

    # nothing is changed by asking
    told = ok(babelwatch(settings, "rescore", "--dry-run"))
    assert f"by {new.name}" in told
    assert f"to judge: {COUNT}" in told
    assert {row[0] for row in judged(client, "default").values()} == {old.name}

    def done_by_new() -> int:
        return sum(row[0] == new.name for row in judged(client, "default").values())

    process = subprocess.Popen(command("rescore", "--rate", "20"), env=environment_of(settings), stdout=subprocess.PIPE)
    try:
        wait_until("it has begun", lambda: done_by_new() > 0, LIMIT_S, 0.05)
    finally:
        process.kill()
        process.wait(30)
    assert process.returncode == -signal.SIGKILL
    assert 0 < done_by_new() < COUNT

    told = ok(babelwatch(settings, "rescore", "--rate", "0"))
    assert "none remain" in told
    assert done_by_new() == COUNT
    assert_rollups_equal_recount(client)
    assert_api_equals_recount(clickhouse_url, client)
    # as a live worker would have judged
    texts, languages = [e.text for e in events], [e.language.tag for e in events]
    expected = {str(e.id): j.label for e, j in zip(events, new.judge(texts, languages), strict=True)}
    assert {name: row[2] for name, row in judged(client, "default").items()} == expected
    assert expected != {str(e.id): e.judgements[0].label for e in events}, "the other model has other labels"

    # run twice; then the old model's judgements come once more
    told = ok(babelwatch(settings, "rescore"))
    assert "to judge: 0" in told
    before = judged(client, "default")
    outcome = MentionStore(client).write(events)
    assert (outcome.repeat, outcome.stored, outcome.edit) == (COUNT, 0, 0)
    assert judged(client, "default") == before
    assert_api_equals_recount(clickhouse_url, client)

    # back: nothing has to be read
    told = ok(babelwatch(settings, "rescore", "--model", settings.model_path.name, "--rate", "0"))
    assert f"0 texts read, {COUNT} from stored log-probabilities" in told
    assert {name: row[2] for name, row in judged(client, "default").items()} == {
        str(e.id): e.judgements[0].label for e in events
    }
    # another rule for the same weights
    ruled = with_rule(settings.models_dir / "ruled", named("biased", biases=dict.fromkeys({*LANGUAGES}, (9.0, 0, 0))))
    told = ok(babelwatch(settings, "rescore", "--model", "ruled", "--rule-only", "--rate", "0", "--language", "ja"))
    japanese = sum(language == "ja" for language in languages)
    assert f"{japanese} mentions have a new judgement" in told
    assert {row[2] for name, row in judged(client, "default").items() if languages[int(name[1:])] == "ja"} == {
        "negative"
    }
    assert ruled.exists()
    assert_rollups_equal_recount(client)
    assert_api_equals_recount(clickhouse_url, client)


@pytest.mark.embedded
@pytest.mark.timeout(600)
def test_a_run_that_is_interrupted_ends_its_page_and_says_what_is_left(
    clickhouse_url: str, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(clickhouse_url=clickhouse_url)
    migrate(clickhouse_url)
    client = connect(clickhouse_url)
    MentionStore(client).write([scored(f"m{n}", at=NOW - timedelta(hours=20), text=f"fine {n}") for n in range(200)])
    process = subprocess.Popen(
        command("rescore", "--rate", "10"),
        env=environment_of(settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until(
            "it has begun",
            lambda: any(row[0] != "test" for row in judged(client, "default").values()),
            LIMIT_S,
            0.05,
        )
        os.kill(process.pid, signal.SIGINT)
        out, error = process.communicate(timeout=LIMIT_S)
    finally:
        process.kill()
    assert process.returncode == 130, out + error
    assert "remain (interrupted): run it again" in error
    assert client.execute("SELECT count() FROM rescore_pages FINAL WHERE state != 2") == [(0,)]
    assert_rollups_equal_recount(client)


@pytest.mark.embedded
@pytest.mark.timeout(600)
def test_what_cannot_be_done_is_said(clickhouse_url: str, make_settings: Callable[..., Settings]) -> None:
    settings = make_settings(clickhouse_url=clickhouse_url)
    for args, code, words in (
        (("--since", "yesterday"), 2, "--since yesterday: write 30m"),
        (("--until", "soon"), 2, "--until soon: write 30m"),
        (("--since", "1h", "--until", "2h"), 2, "--since must be before --until"),
        (("--model", "nobody"), 6, "no model is named 'nobody'"),
        (("--accept-error", "0.0001"), 6, "begins at an error of"),
    ):
        done = babelwatch(settings, "rescore", *args)
        assert done.returncode == code, done.stdout + done.stderr
        assert words in done.stderr
    away = make_settings(clickhouse_url="clickhouse://127.0.0.1:1/x", connect_timeout_s=1.0)
    done = babelwatch(away, "rescore")
    assert done.returncode == 3
    assert "127.0.0.1:1" in done.stderr
