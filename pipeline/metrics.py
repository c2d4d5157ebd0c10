"""Every metric, declared once. Labels are few and bounded: never a mention, an author or a free text."""

from prometheus_client import Counter, Gauge, Histogram

MENTIONS_IN = Counter("babelwatch_messages_in_total", "Messages taken from a topic", ["role", "topic"])
MENTIONS_OUT = Counter("babelwatch_messages_out_total", "Messages produced and confirmed", ["role", "topic"])
DEAD_LETTERS = Counter("babelwatch_dead_letters_total", "Messages sent to mentions.dead", ["role", "reason"])
REDELIVERIES = Counter(
    "babelwatch_redeliveries_total",
    "Records of mentions that were sent once more: repair, replay, dead_letter or other",
    ["reason"],
)
RETRIES = Counter("babelwatch_retries_total", "Attempts repeated after an error", ["role", "what"])
STALE_MESSAGES = Counter(
    "babelwatch_stale_messages_total",
    "Messages of an assignment that had ended: left, and read again from the committed offset",
    ["topic"],
)
ODD_BATCHES = Counter(
    "babelwatch_odd_batches_total",
    "Record batches that the Kafka client refuses: unpacked leniently, or unreadable (a dead letter per offset)",
    ["outcome"],
)
SKIPPED_OFFSETS = Counter(
    "babelwatch_skipped_offsets_total",
    "Offsets that the consumer did not deliver: read again and found (repaired), or not in the log (absent)",
    ["role", "topic", "outcome"],
)
STAGE_SECONDS = Histogram(
    "babelwatch_batch_seconds",
    "Time for one batch in a stage",
    ["role"],
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
BATCH_MESSAGES = Histogram(
    "babelwatch_batch_messages", "Messages per batch", ["role"], buckets=(1, 4, 16, 64, 256, 1024, 4096)
)
COMMITTED_AGE = Gauge(
    "babelwatch_committed_offset_age_seconds",
    "Time since the committed offset of a partition last moved while messages were waiting; 0 when none wait",
    ["role", "topic", "partition"],
)
PROGRESS_AGE = Gauge(
    "babelwatch_progress_age_seconds",
    "Time since the committed offset of a partition last moved, also while no messages waited",
    ["role", "topic", "partition"],
)
LAG = Gauge("babelwatch_lag_messages", "Messages not yet committed", ["role", "topic", "partition"])
HEALTHY = Gauge("babelwatch_dependency_up", "1 when the dependency answered lately", ["role", "dependency"])
MONITOR_ERRORS = Counter("babelwatch_monitor_errors_total", "Looks at the worker's own state that failed", ["role"])
LANGUAGE_UNDETERMINED = Counter("babelwatch_language_undetermined_total", "Texts whose language is `und`")
LANGUAGE_HINTS = Counter("babelwatch_language_hints_total", "Hints of sources: agreed, overruled, invalid", ["outcome"])
SOURCE_FIELDS = Counter(
    "babelwatch_source_fields_total",
    "Fields of sources that this build does not know: kept (for a newer stage), or dropped (out of bounds)",
    ["outcome"],
)
BRANDS_RELOADS = Counter("babelwatch_brands_reloads_total", "Reloads of the brands file", ["outcome"])
SENTIMENT_CACHE = Counter("babelwatch_sentiment_cache_total", "Look-ups in the cache of repeated texts", ["outcome"])
SENTIMENT_TRUNCATED = Counter(
    "babelwatch_sentiment_truncated_total", "Texts longer than the model reads, judged by their beginning"
)
CLASS_MIX = Counter(
    "babelwatch_class_mix_total",
    "Languages each time the stream's class mix was frozen: used, or too_few texts for one",
    ["outcome"],
)
MODEL_CACHE = Counter(
    "babelwatch_model_cache_total", "Starts by what the embeddings file was: hit, built, rebuilt", ["outcome"]
)
MODEL_SWAPS = Counter(
    "babelwatch_model_swaps_total",
    "What became of choices of a sentiment model: swapped, refused, unreadable",
    ["outcome"],
)
MODEL_SERVING = Gauge("babelwatch_model_serving", "1 for what this worker judges by", ["model", "rule"])
MODEL_BEHIND = Gauge(
    "babelwatch_model_behind", "1 while another model is chosen than this worker serves (refused, or pinned to its own)"
)
SINK_MENTIONS = Counter(
    "babelwatch_sink_mentions_total",
    "What became of mentions in the sink: stored, repeat, conflicting, edit, superseded, deleted; dead_letter_refused",
    ["outcome"],
)
LEDGER_GAPS = Gauge(
    "babelwatch_ledger_gap_offsets",
    "Offsets of mentions that passed all stages without ending, and can be read again from Kafka",
    ["partition"],
)
LEDGER_UNPROVABLE = Gauge(
    "babelwatch_ledger_unprovable_offsets", "The same, but gone from Kafka before they were read again", ["partition"]
)
LEDGER_WATERMARK = Gauge(
    "babelwatch_ledger_watermark_offset", "Offset of mentions up to which everything was looked at", ["partition"]
)
LEDGER_AGE = Gauge("babelwatch_ledger_look_age_seconds", "Time since the last look; only in the sink worker that looks")
LEDGER_ERRORS = Counter("babelwatch_ledger_errors_total", "Looks at the ledger that failed")
ROLLUP_WINDOWS = Counter("babelwatch_rollup_windows_total", "Rollup windows recomputed", ["rollup"])
CLOCK_BEHIND = Gauge(
    "babelwatch_clickhouse_clock_behind_seconds",
    "How far ClickHouse's clock is behind the newest count in rollup_recent: more than 0 after it was set back",
)
RESCORED = Counter(
    "babelwatch_rescored_total",
    "Stored mentions judged anew: inferred, by_rule (from stored log-probabilities), no_log_probabilities (left)",
    ["outcome"],
)
INGEST = Counter("babelwatch_ingest_total", "Mentions offered at an entrance", ["entrance", "outcome"])
PACE_SECONDS = Counter(
    "babelwatch_pace_seconds_total",
    "Time that backfill or replay held back: for its rate, for live messages, for a broker out of sight (unknown)",
    ["why"],
)
DASHBOARD_REFRESHES = Counter("babelwatch_dashboard_refreshes_total", "Reads of a view of the page", ["outcome"])
WATCH_ERRORS = Counter("babelwatch_supervisor_errors_total", "Looks of `up` at its processes that failed")
CHILD_RESTARTS = Counter("babelwatch_child_restarts_total", "Processes that `up` started again", ["process"])
CHILD_WEDGED = Counter(
    "babelwatch_child_wedged_total",
    "Processes that `up` ended because they did not get on: silent, event_loop, consumer_group, stalled, and others",
    ["process", "what"],
)
CHILD_WELL = Gauge(
    "babelwatch_child_well",
    "1 while a process of `up` runs and gets on; 0 while it is wedged, ended, or ends again and again",
    ["process"],
)
CHILD_CRASH_LOOPING = Gauge(
    "babelwatch_child_crash_looping", "1 while a process of `up` ends again and again", ["process"]
)
PIPELINE_PROBLEMS = Gauge("babelwatch_pipeline_problems", "Problems that the operator's view of the dashboard names")
PIPELINE_LOOKED_AT = Gauge(
    "babelwatch_pipeline_looked_at_seconds", "When the dashboard last looked at the pipeline, in Unix seconds"
)
GROUP_LAG = Gauge(
    "babelwatch_group_lag_messages",
    "Messages that a role has not committed, as Kafka says",
    ["role", "topic", "partition"],
)
GROUP_COMMITTED_AGE = Gauge(
    "babelwatch_group_committed_offset_age_seconds",
    "The same as babelwatch_committed_offset_age_seconds, as seen from the dashboard: also when no worker runs",
    ["role", "topic", "partition"],
)
WORKER_WELL = Gauge(
    "babelwatch_worker_well", "1 while a worker of `up` is well, as the dashboard of that machine sees it", ["role"]
)
WORKER_RESTARTS = Gauge(
    "babelwatch_worker_restarts", "How often `up` has started a worker again, as the dashboard sees it", ["role"]
)
WORKER_CRASH_LOOPING = Gauge(
    "babelwatch_worker_crash_looping",
    "1 while a worker of `up` ends again and again, as the dashboard sees it",
    ["role"],
)
