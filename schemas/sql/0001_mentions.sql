-- The truth: one row per mention and place in time; read FINAL, is_deleted = 0.
--
-- ReplacingMergeTree keeps the row with the greatest `truth` (schemas.ids.truth_order) of one sorting key in one
-- partition. Brand, label and everything else that can change stay out of the key. `published_at` is in the key because
-- queries are by time; when a source changes it, the old place gets a tombstone (is_deleted = 1).
-- DateTime64 holds the years 1900 to 2299. `published_at` alone (not toStartOfHour of it) is in the key: the order is
-- the same, and toStartOfHour wraps around outside 1970..2106. Granules are small because the sink reads windows of ten
-- seconds all the time.
CREATE TABLE IF NOT EXISTS {{table mentions}} {{on_cluster}} (
  tenant LowCardinality(String),
  mention_id UUID,
  source LowCardinality(String),
  source_id String,
  revision UInt64,
  truth UInt64,
  is_deleted UInt8,
  text String CODEC(ZSTD(3)),
  text_hash UInt64,
  published_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  stored_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1)),
  language LowCardinality(String),
  language_confidence UInt16,
  language_detector LowCardinality(String),
  brands Array(LowCardinality(String)),
  match_brand Array(LowCardinality(String)),
  match_start Array(UInt32),
  match_end Array(UInt32),
  label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1),
  negative UInt16,
  neutral UInt16,
  positive UInt16,
  model LowCardinality(String),
  rule LowCardinality(String),
  author_key String,
  author String,
  url String CODEC(ZSTD(3)),
  reach UInt64,
  country LowCardinality(String),
  lang_hint LowCardinality(String),
  parent_id String,
  incarnation LowCardinality(String),
  topic LowCardinality(String),
  `partition` UInt32,
  `offset` UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {{replacing truth}}
PARTITION BY toYYYYMM(published_at)
ORDER BY (tenant, published_at, mention_id)
SETTINGS index_granularity = 1024, {{dedup_window}} = 1000;

{{distributed mentions by cityHash64(mention_id)}};

-- Every place in time and every rollup cell that a mention ever had, by id: written before the mention itself, so that a
-- later revision finds the place to empty and the cells to count again, whoever crashed in between. `cell` is a hash of
-- (brands, language, source, label); `rank` keeps the first row of a key (bitNot of the server's clock in ns); `batch`
-- tells the rows of one write from the others'. Look-ups are by random id, so granules and compressed blocks are small and
-- the id, which is random bits, is not compressed (2,000 look-ups among 3 million: 37 ms instead of 65).
CREATE TABLE IF NOT EXISTS {{table mention_locations}} {{on_cluster}} (
  tenant LowCardinality(String),
  mention_id UUID CODEC(NONE),
  published_at DateTime64(3, 'UTC'),
  truth UInt64,
  cell UInt64,
  is_deleted UInt8,
  content UInt64,
  source LowCardinality(String),
  language LowCardinality(String),
  label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1),
  brands Array(LowCardinality(String)),
  batch UInt64,
  rank UInt64 DEFAULT bitNot(toUInt64(toUnixTimestamp64Nano(now64(9))))
)
ENGINE = {{replacing rank}}
ORDER BY (tenant, mention_id, published_at, truth, cell)
SETTINGS index_granularity = 256, min_compress_block_size = 4096, {{dedup_window}} = 1000;

{{distributed mention_locations by cityHash64(mention_id)}};

-- What each model thought, before any correction: a new rule is SQL over these, not inference.
CREATE TABLE IF NOT EXISTS {{table judgements}} {{on_cluster}} (
  tenant LowCardinality(String),
  mention_id UUID,
  target LowCardinality(String),
  model LowCardinality(String),
  rule LowCardinality(String),
  revision UInt64,
  published_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
  logp_negative Float32,
  logp_neutral Float32,
  logp_positive Float32,
  label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1),
  judged_at DateTime64(3, 'UTC') DEFAULT now64(3) CODEC(Delta, ZSTD(1))
)
ENGINE = {{replacing revision}}
ORDER BY (tenant, mention_id, target, model)
SETTINGS {{dedup_window}} = 1000;

{{distributed judgements by cityHash64(mention_id)}};
