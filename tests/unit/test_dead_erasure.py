"""Where an erasure must go: a Distributed table takes no mutations, its local tables do."""

import pytest

from pipeline.store.dead_erasure import to_alter
from pipeline.store.migrations import render


@pytest.mark.parametrize(
    "engine",
    [
        "ReplacingMergeTree(stored_at) ORDER BY (incarnation, topic, partition, offset) SETTINGS index_granularity = 1",
        "ReplicatedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', stored_at) ORDER BY topic",
        "SharedReplacingMergeTree('/clickhouse/tables/{uuid}/{shard}', '{replica}', stored_at) ORDER BY topic",
        "",
    ],
)
def test_on_one_node_and_on_replicas_the_table_itself(engine: str) -> None:
    assert to_alter(engine) == "dead_letters"


@pytest.mark.parametrize("cluster", ["analytics", "{cluster}"])
def test_on_a_cluster_the_local_tables_of_all_shards(cluster: str) -> None:
    (made,) = (
        statement
        for _, statements in render(cluster, "watch")
        for statement in statements
        if "Distributed(" in statement and "watch.dead_letters ON" in statement
    )
    assert to_alter(made[made.index("Distributed(") :]) == f"`watch`.`dead_letters_local` ON CLUSTER '{cluster}'"
