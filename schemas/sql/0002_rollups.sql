-- Rollups: recomputed from the truth where it changed, written as absolute numbers, read FINAL. `brand = ''` is the total
-- (each mention once). The row that was computed last wins (`computed_at`, server clock in ns before the read). A row may
-- hold zeros: the cell was counted once and is empty now. Sums of probabilities are per mille.

-- The last 12 hours, all dimensions, by 10 seconds: the live page, and what minutes and hours are added up from.
-- By hour of partition, so that what is too old goes as whole parts.
CREATE TABLE IF NOT EXISTS {{table rollup_recent}} {{on_cluster}} (
  tenant LowCardinality(String),
  slot DateTime('UTC') CODEC(Delta, ZSTD(1)),
  brand LowCardinality(String),
  language LowCardinality(String),
  source LowCardinality(String),
  label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1),
  mentions UInt64 CODEC(T64, ZSTD(1)),
  confidence_sum UInt64 CODEC(T64, ZSTD(1)),
  negative_sum UInt64 CODEC(T64, ZSTD(1)),
  neutral_sum UInt64 CODEC(T64, ZSTD(1)),
  positive_sum UInt64 CODEC(T64, ZSTD(1)),
  language_confidence_sum UInt64 CODEC(T64, ZSTD(1)),
  reach_sum UInt64 CODEC(T64, ZSTD(1)),
  computed_at UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {{replacing computed_at}}
PARTITION BY toStartOfHour(slot)
ORDER BY (tenant, slot, brand, language, source, label)
TTL slot + INTERVAL 12 HOUR
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1;

{{distributed rollup_recent by cityHash64(tenant, slot, brand)}};

-- For ever: by minute and brand. DateTime64(0), because DateTime ends in 2106 and begins in 1970.
CREATE TABLE IF NOT EXISTS {{table rollup_minute}} {{on_cluster}} (
  tenant LowCardinality(String),
  minute DateTime64(0, 'UTC') CODEC(Delta, ZSTD(1)),
  brand LowCardinality(String),
  label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1),
  mentions UInt64 CODEC(T64, ZSTD(1)),
  confidence_sum UInt64 CODEC(T64, ZSTD(1)),
  negative_sum UInt64 CODEC(T64, ZSTD(1)),
  neutral_sum UInt64 CODEC(T64, ZSTD(1)),
  positive_sum UInt64 CODEC(T64, ZSTD(1)),
  language_confidence_sum UInt64 CODEC(T64, ZSTD(1)),
  reach_sum UInt64 CODEC(T64, ZSTD(1)),
  computed_at UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {{replacing computed_at}}
PARTITION BY toYYYYMM(minute)
ORDER BY (tenant, brand, minute, label);

{{distributed rollup_minute by cityHash64(tenant, minute, brand)}};

-- For ever: by hour and all dimensions.
CREATE TABLE IF NOT EXISTS {{table rollup_hour}} {{on_cluster}} (
  tenant LowCardinality(String),
  hour DateTime64(0, 'UTC') CODEC(Delta, ZSTD(1)),
  brand LowCardinality(String),
  language LowCardinality(String),
  source LowCardinality(String),
  label Enum8('negative' = -1, 'neutral' = 0, 'positive' = 1),
  mentions UInt64 CODEC(T64, ZSTD(1)),
  confidence_sum UInt64 CODEC(T64, ZSTD(1)),
  negative_sum UInt64 CODEC(T64, ZSTD(1)),
  neutral_sum UInt64 CODEC(T64, ZSTD(1)),
  positive_sum UInt64 CODEC(T64, ZSTD(1)),
  language_confidence_sum UInt64 CODEC(T64, ZSTD(1)),
  reach_sum UInt64 CODEC(T64, ZSTD(1)),
  computed_at UInt64 CODEC(Delta, ZSTD(1))
)
ENGINE = {{replacing computed_at}}
PARTITION BY toYYYYMM(hour)
ORDER BY (tenant, brand, hour, language, source, label);

{{distributed rollup_hour by cityHash64(tenant, hour, brand)}};
