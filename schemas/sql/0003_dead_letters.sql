-- What could not be processed: the original bytes and why. Keyed by where it entered, so a redelivered dead letter is one.
CREATE TABLE IF NOT EXISTS {{table dead_letters}} {{on_cluster}} (
  incarnation LowCardinality(String),
  topic LowCardinality(String),
  `partition` UInt32,
  `offset` UInt64,
  stage LowCardinality(String),
  reason LowCardinality(String),
  error String CODEC(ZSTD(3)),
  failed_at DateTime64(3, 'UTC'),
  key String CODEC(ZSTD(3)),
  value String CODEC(ZSTD(3)),
  headers Array(Tuple(String, String)) CODEC(ZSTD(3)),
  stored_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{replacing stored_at}}
ORDER BY (incarnation, topic, `partition`, `offset`)
SETTINGS {{dedup_window}} = 1000;

{{distributed dead_letters by cityHash64(topic, `partition`, `offset`)}};
