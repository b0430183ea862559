-- Facts: one row for each record of topic outcomes, from which every number can be counted again.
--
-- Recording is at least once, so the same record may be written many times. Rows fold (ReplacingMergeTree, read with
-- FINAL) because the key ends in where the record stands in the log, and begins with, and is partitioned by, only what
-- was fixed when the event was received. A key or partition by the time of writing or of the outcome would not fold.
--
-- count      +1 counts; 0 repeats, after a crash, what an earlier record has said; -1 takes an earlier verdict back
-- correction 1 on that -1 row, which carries the log position of the record that caused it; 0 on a record's own row
-- destination and delivery_id are '' for received, duplicate and rejected; received_at of a rejection is its own time.
CREATE TABLE IF NOT EXISTS facts (
    kind LowCardinality(String),   -- received, duplicate, rejected, attempt_failed, requeued, outcome
    correction UInt8,
    count Int8 DEFAULT 1,
    log_partition UInt16,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    run LowCardinality(String),
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    message_id String CODEC(ZSTD(1)),
    event_type LowCardinality(String),
    event_name LowCardinality(String),
    app_version LowCardinality(String),
    events_partition Int32,
    events_offset Int64 CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') DEFAULT at CODEC(Delta, ZSTD(1)),
    delivery_id String CODEC(ZSTD(1)),
    attempt UInt16,
    attempt_id String CODEC(ZSTD(1)),
    code LowCardinality(String),
    message String CODEC(ZSTD(1)),
    state LowCardinality(String),   -- of an outcome: filtered, delivered, discarded, expired
    failure LowCardinality(String), -- of a failed attempt: retry, throttle, setup
    http_status UInt16,             -- 0: no answer
    http_ms UInt32,
    latency_ms UInt64,              -- of an outcome: at - received_at
    due_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    replayed Bool,
    resent Bool,
    routes Array(Tuple(delivery_id String, destination String, mapping String)),
    first_offset Int64,             -- of a duplicate: where the event stood first
    items UInt32,                   -- of a rejection: how many items
    INDEX by_message message_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_time at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (destination, toStartOfHour(received_at), delivery_id, kind, log_partition, log_offset, correction)
-- The workspace's retention replaces this when migrations run. Whole days go at once, which costs no merging.
TTL toDateTime(received_at) + toIntervalSecond(2592000)
SETTINGS ttl_only_drop_parts = 1;

-- Samples: redacted payloads of a few attempts. Apart from facts, so that counting never reads past payloads, and with
-- a shorter life. Folds as facts do.
CREATE TABLE IF NOT EXISTS samples (
    log_partition UInt16,
    log_offset UInt64,
    appended_at DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC'),
    run LowCardinality(String),
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    message_id String,
    event_type LowCardinality(String),
    event_name LowCardinality(String),
    app_version LowCardinality(String),
    events_partition Int32,
    events_offset Int64,
    received_at DateTime64(3, 'UTC'),
    delivery_id String,
    attempt UInt16,
    attempt_id String,
    code LowCardinality(String),
    message String,
    state LowCardinality(String),   -- delivered, discarded, expired, awaiting_retry
    replayed Bool,
    resent Bool,
    event String CODEC(ZSTD(3)),
    request String CODEC(ZSTD(3)),
    response String CODEC(ZSTD(3)),
    INDEX by_message message_id TYPE bloom_filter(0.01) GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (destination, code, toStartOfHour(received_at), delivery_id, log_partition, log_offset)
TTL toDateTime(received_at) + toIntervalSecond(1209600)
SETTINGS ttl_only_drop_parts = 1;

-- Ticks: how far each worker of the delivery flow has come, as said in each partition of topic outcomes. Only the newest
-- by log position is kept. The least watermark over all of them is how far every number is complete, because a tick
-- that was recorded proves that everything before it in its partition was recorded too.
CREATE TABLE IF NOT EXISTS ticks (
    worker String,
    workers UInt16,
    log_partition UInt16,
    at DateTime64(3, 'UTC'),
    watermark DateTime64(3, 'UTC'),
    positions Array(Tuple(topic String, partition UInt16, position UInt64, end UInt64, settled UInt64)),
    log_offset UInt64
)
ENGINE = ReplacingMergeTree(log_offset)
ORDER BY (worker, log_partition);

-- Reasons: what each code means and what to do about it. Written anew from model/reason_codes/catalogue.py by every migration run.
CREATE TABLE IF NOT EXISTS reasons (
    code String,
    severity LowCardinality(String),
    owner LowCardinality(String),
    retryable Bool,
    description String,
    action String,
    link String,
    written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY code;
