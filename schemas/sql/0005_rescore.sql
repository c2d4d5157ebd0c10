-- Pages of mentions that `babelwatch rescore` writes, put down before the first row of a page changes. `state`: 0 begun;
-- 1 counted again by another run, because this one seemed to have been killed, perhaps after its mentions and before their
-- counts; 2 done, its counts too. Until then every run counts the page again: one that only seemed dead may write after that.
CREATE TABLE IF NOT EXISTS {{table rescore_pages}} {{on_cluster}} (
  run UUID,
  page UInt32,
  tenant LowCardinality(String),
  model LowCardinality(String),
  rule LowCardinality(String),
  mention_ids Array(UUID),
  state UInt8,
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{replacing state}}
ORDER BY (run, page)
TTL toDateTime(written_at) + INTERVAL 30 DAY DELETE WHERE state = 2
SETTINGS {{dedup_window}} = 1000;

{{distributed rescore_pages by cityHash64(run)}};
