"""The runner of migrations on a real ClickHouse, and the cluster's SQL as ClickHouse reads it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipeline.errors import ClickHouseRefused, ClickHouseUnavailable, MigrationError
from pipeline.store import migrations, queries
from pipeline.store.accounting import by_language
from pipeline.store.client import Address, connect
from pipeline.store.mentions import MentionStore
from pipeline.store.migrations import migrate, pending, render, sources
from schemas.events import Label
from tests.integration.store_support import NOW, OLD, RECENT, assert_rollups_equal_recount, rollups, scored

pytestmark = pytest.mark.embedded
NAMES = [name for name, _ in sources()]
TABLES = {
    "mentions",
    "mention_locations",
    "judgements",
    "dead_letters",
    "rollup_recent",
    "rollup_minute",
    "rollup_hour",
    "rescore_pages",
    "ledger",
    "ledger_marks",
    "dead_letter_actions",
}


def tables(url: str) -> set[str]:
    return {row[0] for row in connect(url).execute("SHOW TABLES")}


def test_it_creates_the_database_and_does_nothing_the_second_time(clickhouse_url: str) -> None:
    assert pending(clickhouse_url) == NAMES
    assert migrate(clickhouse_url) == NAMES
    assert pending(clickhouse_url) == []
    assert migrate(clickhouse_url) == []
    assert tables(clickhouse_url) == TABLES | {"schema_migrations"}


def test_it_records_the_checksum_and_who_and_when(clickhouse_url: str) -> None:
    migrate(clickhouse_url)
    rows = connect(clickhouse_url).execute("SELECT name, checksum, applied_by, applied_at FROM schema_migrations FINAL")
    assert {(name, digest) for name, digest, _, _ in rows} == {(n, migrations.checksum(t)) for n, t in sources()}
    assert all(by.startswith(Address.of(clickhouse_url).user + "@") and at.year > 2000 for _, _, by, at in rows)


def test_a_changed_file_is_refused(clickhouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(clickhouse_url)
    for name, text in sources():
        (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
    changed = tmp_path / f"{NAMES[1]}.sql"
    changed.write_text(changed.read_text(encoding="utf-8") + "-- a word more\n", encoding="utf-8")
    monkeypatch.setattr(migrations, "SQL_DIR", tmp_path)
    with pytest.raises(MigrationError, match=f"{NAMES[1]} was changed after it was applied.*restore the file"):
        migrate(clickhouse_url)


def test_a_new_file_is_applied_and_an_older_build_refuses_to_go_on(
    clickhouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(clickhouse_url)
    with monkeypatch.context() as newer:
        for name, text in sources():
            (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
        added = "ALTER TABLE {{table judgements}} {{on_cluster}} ADD COLUMN IF NOT EXISTS note String;"
        (tmp_path / "9999_note.sql").write_text(added, encoding="utf-8")
        newer.setattr(migrations, "SQL_DIR", tmp_path)
        assert pending(clickhouse_url) == ["9999_note"]
        assert migrate(clickhouse_url) == ["9999_note"]
    with pytest.raises(MigrationError, match=r"9999_note.*upgrade this one"):
        migrate(clickhouse_url)


def test_a_failing_statement_names_the_migration_and_is_done_again(
    clickhouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "SQL_DIR", tmp_path)
    file = tmp_path / "0001_a.sql"
    good = "CREATE TABLE IF NOT EXISTS {{table a}} {{on_cluster}} (x UInt8) ENGINE = {{replacing x}} ORDER BY x;"
    file.write_text(good + "CREATE TABLE IF NOT EXISTS {{table b}} (x Wrong) ENGINE = Memory;", encoding="utf-8")
    with pytest.raises(MigrationError, match=r"0001_a failed.*Wrong"):
        migrate(clickhouse_url)
    assert pending(clickhouse_url) == ["0001_a"]
    file.write_text(good, encoding="utf-8")
    assert migrate(clickhouse_url) == ["0001_a"]


def test_a_database_with_mentions_of_before_learns_to_be_unsure(
    clickhouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0004 on a database of 0003 that holds rows: cheap, nothing changes, and unsure mentions can come."""
    for name, text in sources()[:3]:
        (tmp_path / f"{name}.sql").write_text(text, encoding="utf-8")
    with monkeypatch.context() as older:
        older.setattr(migrations, "SQL_DIR", tmp_path)
        assert migrate(clickhouse_url) == NAMES[:3]
    client = connect(clickhouse_url)
    labels: list[Label] = ["negative", "neutral", "positive"]
    MentionStore(client).write([scored(f"old {n}", label=labels[n % 3], at=(RECENT, OLD)[n % 2]) for n in range(600)])
    view = queries.View(window_s=3600)
    span = queries.period(view, NOW.timestamp())
    before = rollups(client), queries.by_language(client, view, span)

    assert migrate(clickhouse_url) == NAMES[3:]
    assert (rollups(client), queries.by_language(client, view, span)) == before
    assert_rollups_equal_recount(client)
    mutations = "SELECT count() FROM system.mutations WHERE database = currentDatabase()"
    assert client.execute(mutations) == [(0,)], "no part is written anew"

    store = MentionStore(client)
    store.write([scored(f"new {n}", label="unsure", at=(RECENT, OLD)[n % 2]) for n in range(20)])
    store.write([scored("old 0", label="unsure", revision=1), scored("old 1", label="unsure", revision=1, at=OLD)])
    assert_rollups_equal_recount(client)
    client.execute("OPTIMIZE TABLE rollup_hour FINAL")
    client.execute("OPTIMIZE TABLE rollup_recent FINAL")
    assert_rollups_equal_recount(client)  # old and new parts merge in the order of the widened key
    assert [row.unsure for row in by_language(client)] == [22]


def test_two_files_of_one_number_are_refused(
    clickhouse_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "SQL_DIR", tmp_path)
    for name in ("0001_a", "0001_b"):
        (tmp_path / f"{name}.sql").write_text("", encoding="utf-8")
    with pytest.raises(MigrationError, match="two of one number"):
        migrate(clickhouse_url)


def test_four_workers_at_once(clickhouse_url: str) -> None:
    ends: list[object] = []
    gate = threading.Barrier(4)

    def run() -> None:
        gate.wait(30)
        try:
            ends.append(migrate(clickhouse_url))
        except BaseException as error:
            ends.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(isinstance(end, list) for end in ends), ends
    assert NAMES in ends
    assert pending(clickhouse_url) == []
    assert migrate(clickhouse_url) == []


@pytest.mark.parametrize("cluster", ["", "analytics"])
def test_clickhouse_parses_every_statement(clickhouse_url: str, cluster: str) -> None:
    client = connect(clickhouse_url, database="")
    for _, statements in render(cluster):
        for statement in statements:
            tree = client.execute(f"EXPLAIN AST {statement}")
            assert tree[0][0].startswith(("CreateQuery", "AlterQuery"))


def test_a_wrong_password_is_refused_without_showing_it(clickhouse_url: str) -> None:
    wrong = clickhouse_url.replace("@", "-wrong-secret@", 1)
    with pytest.raises(ClickHouseRefused, match=r"code 516.*check user and password") as refused:
        migrate(wrong)
    assert "wrong-secret" not in str(refused.value)


def run_command(url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CLICKHOUSE_URL": url, **more}
    command = [sys.executable, "-m", "pipeline.cli", "migrate", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_the_command(clickhouse_url: str) -> None:
    first, second = run_command(clickhouse_url), run_command(clickhouse_url)
    assert first.returncode == second.returncode == 0, first.stderr
    assert [line.split()[1] for line in first.stdout.splitlines()[:-1]] == NAMES
    assert "up to date" in second.stdout
    shown = run_command(clickhouse_url, "--dry-run", BABELWATCH_CLICKHOUSE_CLUSTER="analytics")
    assert "ON CLUSTER 'analytics'" in shown.stdout


def test_the_command_without_a_server(clickhouse_url: str) -> None:
    ended = run_command("clickhouse://u:pass-word@127.0.0.1:1/x", BABELWATCH_CONNECT_TIMEOUT_S="0.5")
    assert ended.returncode == ClickHouseUnavailable.exit_code
    assert "127.0.0.1:1 does not answer" in ended.stderr
    assert "babelwatch up" in ended.stderr
    assert "pass-word" not in ended.stderr
    assert "Traceback" not in ended.stderr
