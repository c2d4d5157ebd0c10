-- The ledger: where every offset of topic `mentions` ended, written after what became of it is durable and before it is
-- acknowledged. Intervals of offsets, at most 65,536 long; only added to, so that a repeat, which leaves no row in
-- `mentions`, is still here. The numbers of the outcomes are their order: an offset that is in several counts as the
-- least. `absent`: looked for in Kafka and not there (a transaction's marker, compaction).
CREATE TABLE IF NOT EXISTS {{table ledger}} {{on_cluster}} (
  incarnation LowCardinality(String),
  topic LowCardinality(String),
  `partition` UInt32,
  first UInt64 CODEC(Delta, ZSTD(1)),
  last UInt64 CODEC(Delta, ZSTD(1)),
  outcome Enum8('stored' = 1, 'dead' = 2, 'repeat' = 3, 'absent' = 4),
  written_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1))
)
ENGINE = {{replacing written_at}}
ORDER BY (incarnation, topic, `partition`, first, last, outcome)
SETTINGS index_granularity = 1024, {{dedup_window}} = 1000;

{{distributed ledger by cityHash64(incarnation, topic, `partition`)}};

-- What the last look at each partition saw: the first offset that the ledger answers for (`begin`; above 0 where a build
-- without a ledger was at work before), Kafka's log (`log_begin`, and `log_end`, the next offset), up to where every
-- offset should have ended (`watermark`), up to where all have (`proven`), how many below the watermark have not
-- (`missing`; of these `unprovable` are gone from Kafka). It outlives an embedded broker, and tells what it took along.
CREATE TABLE IF NOT EXISTS {{table ledger_marks}} {{on_cluster}} (
  incarnation LowCardinality(String),
  topic LowCardinality(String),
  `partition` UInt32,
  begin UInt64,
  log_begin UInt64,
  log_end UInt64,
  watermark UInt64,
  proven UInt64,
  missing UInt64,
  unprovable UInt64,
  at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = {{replacing at}}
ORDER BY (incarnation, topic, `partition`)
SETTINGS {{dedup_window}} = 0;

{{distributed ledger_marks by cityHash64(incarnation, topic, `partition`)}};
