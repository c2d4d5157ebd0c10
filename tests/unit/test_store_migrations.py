"""Rendering of the migrations: pure, golden-tested for a cluster, each statement idempotent."""

import re
from pathlib import Path

import pytest

from pipeline.errors import MigrationError
from pipeline.store.migrations import checksum, render, render_sql, sources

GOLDEN = Path(__file__).parents[1] / "fixtures" / "migrations_cluster.sql"
"""`python -m tests.unit.test_store_migrations` writes it anew after a new migration; read the difference."""


def rendered(cluster: str, database: str) -> str:
    return "".join(
        f"-- {name}\n" + "".join(f"{statement};\n\n" for statement in statements)
        for name, statements in render(cluster, database)
    )


def test_the_rendering_for_a_cluster_is_the_golden_one() -> None:
    assert rendered("analytics", "babelwatch") == GOLDEN.read_text(encoding="utf-8")


def test_numbers_follow_each_other_without_gaps() -> None:
    assert [int(name[:4]) for name, _ in sources()] == list(range(1, len(sources()) + 1))


@pytest.mark.parametrize("cluster", ["", "analytics"])
def test_every_statement_may_be_done_again(cluster: str) -> None:
    for name, statements in render(cluster):
        assert statements, name
        for statement in statements:
            assert re.match(r"(CREATE|DROP|ALTER)\b", statement), (name, statement[:60])
            assert re.search(r"\bIF (NOT )?EXISTS\b", statement), (name, statement[:60])


def test_one_node_has_no_trace_of_a_cluster() -> None:
    text = rendered("", "babelwatch")
    assert not re.search(r"ON CLUSTER|Replicated|Distributed|_local|replicated_ded(?<!non_replicated_ded)", text)
    assert "{{" not in text


def test_on_a_cluster_each_table_is_replicated_and_has_a_distributed_one() -> None:
    text = rendered("analytics", "other")
    local = set(re.findall(r"CREATE TABLE IF NOT EXISTS other\.(\w+)_local ON CLUSTER 'analytics'", text))
    distributed = set(re.findall(r"Distributed\('analytics', 'other', '(\w+)_local', cityHash64\(", text))
    assert local == distributed
    assert {"mentions", "mention_locations", "judgements", "dead_letters"} <= local
    assert not re.search(r"ENGINE = (?!Replicated|Distributed)", text)
    assert "non_replicated" not in text
    for table in ("mentions", "mention_locations", "judgements"):
        assert f"'{table}_local', cityHash64(mention_id))" in text, "copies of one id must meet on one shard"


@pytest.mark.parametrize(
    ("cluster", "database"),
    [("", "x; DROP DATABASE y"), ("", "a.b"), ("", "1a"), ("c'; DROP", "babelwatch"), ("a b", "babelwatch")],
)
def test_names_that_are_none_are_refused(cluster: str, database: str) -> None:
    with pytest.raises(MigrationError, match=r"letters, digits|not the name of a cluster"):
        render(cluster, database)


@pytest.mark.parametrize("text", ["{{tables x}}", "{{table x y}}", "{{replacing}}", "{{distributed x}}"])
def test_unknown_tokens_are_refused(text: str) -> None:
    with pytest.raises(MigrationError, match="does not know"):
        render_sql(text, "c", "babelwatch")


def test_comments_and_semicolons() -> None:
    text = "-- one; two\nCREATE TABLE IF NOT EXISTS {{table a}} {{on_cluster}} (\n  x UInt8 -- why\n);\n\n-- end;\n"
    assert render_sql(text, "", "db") == ["CREATE TABLE IF NOT EXISTS db.a (\n  x UInt8 -- why\n)"]


def test_the_checksum_is_of_the_text() -> None:
    assert checksum("a") != checksum("b")
    assert len(checksum("a")) == 64


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(rendered("analytics", "babelwatch"), encoding="utf-8")
