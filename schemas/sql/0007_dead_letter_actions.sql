-- What was done about dead letters; only added to. An action is on one letter as it died at `failed_at`: a letter that is
-- sent again and dies again has a later `failed_at`, so it is open again, with its history. `sending` is written before the
-- bytes go to Kafka and the other one after its confirmation; a letter that is only `sending` is open.
CREATE TABLE IF NOT EXISTS {{table dead_letter_actions}} {{on_cluster}} (
  incarnation LowCardinality(String),
  topic LowCardinality(String),
  `partition` UInt32,
  `offset` UInt64,
  failed_at DateTime64(3, 'UTC'),
  action Enum8('sending' = 1, 'replayed' = 2, 'fixed' = 3, 'purged' = 4),
  run String,
  by String,
  note String CODEC(ZSTD(3)),
  sha256 String,
  at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{replacing at}}
ORDER BY (incarnation, topic, `partition`, `offset`, failed_at, action, run)
SETTINGS {{dedup_window}} = 0;

{{distributed dead_letter_actions by cityHash64(topic, `partition`, `offset`)}};
