-- Facts and samples: what the delivery flow and ingest recorded, one row per record of topic outcomes.
--
-- Recording is at least once, so the same record may be inserted many times. Repeated rows are merged into one
-- (ReplacingMergeTree, read with FINAL): the sorting key ends in the record's position in the log, and everything
-- else in the key and the partition is fixed when ingest receives the event. A key or partition with the time of
-- writing or of the outcome would not merge them.

-- facts: one row per fact. Every number can be counted again from this table.
-- Key: destination, hour received, delivery, kind, position in the log, correction. Partition: day received.
-- Retention: retention.store.facts_days, counted from received_at: `waybill migrate` replaces the TTL. Whole days are
-- dropped at once, without rewriting parts. A day that has not changed for an hour is merged into one part: FINAL is
-- free there.
--
-- kind        received, duplicate, rejected, attempt_failed, requeued, outcome; tested: a test event, in no count.
--             Redrives have separate kinds, so that counts of deliveries leave them out: redriven,
--             redrive_attempt_failed, redrive_requeued, redrive_outcome; their delivery_id is <id>/r<n>
-- count       1: counts. 0: repeats an earlier record after a crash. -1: takes an earlier outcome back
-- correction  1 on a row with count -1, which has the log position of the record that caused it; 0 on all other rows
-- The columns destination and delivery_id are '' for received, duplicate and rejected.
CREATE TABLE IF NOT EXISTS facts (
    kind LowCardinality(String),
    correction UInt8,
    count Int8 DEFAULT 1,
    log_partition UInt16,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)), -- when the record was appended to topic outcomes
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    run LowCardinality(String),                             -- run of the flow that recorded it
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    message_id String CODEC(ZSTD(1)),
    event_type LowCardinality(String),
    event_name LowCardinality(String),
    app_version LowCardinality(String),
    events_partition Int32,
    events_offset Int64 CODEC(Delta, ZSTD(1)),
    received_at DateTime64(3, 'UTC') DEFAULT at CODEC(Delta, ZSTD(1)), -- of a rejection: the time of the rejection
    delivery_id String CODEC(ZSTD(1)),
    attempt UInt16,                                         -- calls made so far
    attempt_id String CODEC(ZSTD(1)),
    code LowCardinality(String),
    message String CODEC(ZSTD(1)),
    state LowCardinality(String),                           -- of an outcome: filtered, delivered, discarded, expired
    failure LowCardinality(String),                         -- of a failed attempt: retry, throttle, setup
    http_status UInt16,                                     -- 0: no response
    http_ms UInt32,
    latency_ms UInt64,         -- of an outcome: at - received_at = queue_ms + retry_wait_ms + limit_wait_ms + calls_ms
    due_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    replayed Bool,                                          -- may repeat a record from before a crash
    resent Bool,                                            -- the call may repeat one from before a crash
    routes Array(Tuple(delivery_id String, destination String, mapping String)), -- of received: its deliveries
    first_offset Int64,                                     -- of a duplicate: offset of the first event
    items UInt32,                                           -- of a rejection: how many items were refused
    error_group String CODEC(ZSTD(1)),                      -- group of similar messages; '' without a message
    batch_items UInt32,                                     -- deliveries that share this response; 0: only this one
    queue_ms UInt64,                                        -- unread, or queued
    retry_wait_ms UInt64,                                   -- between attempts
    limit_wait_ms UInt64,                                   -- pause, rate limit, breaker or setup of the destination
    calls_ms UInt64,                                        -- in HTTP calls
    redrive UInt16,                                         -- 1 for the first redrive of a delivery
    author String,                                          -- of a redrive or test: who requested it
    INDEX by_message message_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_time at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (destination, toStartOfHour(received_at), delivery_id, kind, log_partition, log_offset, correction)
TTL toDateTime(received_at) + toIntervalSecond(2592000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- samples: redacted payloads of a few attempts. A table of its own, so that counting facts never reads payloads, and
-- payloads can expire earlier.
-- Key: destination, code, hour received, delivery, position in the log. Partition: day received.
-- Retention: retention.store.samples_days, counted from received_at.
-- The projection tells which hours have samples of an error without reading the payloads (view error_samples).
CREATE TABLE IF NOT EXISTS samples (
    log_partition UInt16,
    log_offset UInt64,
    at DateTime64(3, 'UTC'),
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
    state LowCardinality(String),   -- delivered, discarded, expired, awaiting_retry, test
    event String CODEC(ZSTD(3)),    -- as received
    request String CODEC(ZSTD(3)),  -- as sent
    response String CODEC(ZSTD(3)),
    redrive UInt16,
    batch_items UInt32,
    INDEX by_message message_id TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX by_time at TYPE minmax GRANULARITY 1,
    PROJECTION sampled_hours (
        SELECT toStartOfHour(at), destination, code, state, source, count()
        GROUP BY toStartOfHour(at), destination, code, state, source
    )
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (destination, code, toStartOfHour(received_at), delivery_id, log_partition, log_offset)
TTL toDateTime(received_at) + toIntervalSecond(1209600)
SETTINGS ttl_only_drop_parts = 1, deduplicate_merge_projection_mode = 'rebuild';
