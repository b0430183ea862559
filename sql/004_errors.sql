-- Errors: deliveries that did not succeed at the first call, and the messages of destinations.
-- The TTLs of ten years last only until `waybill migrate` sets the workspace's retention.

-- undelivered: the facts of deliveries that were not delivered by their first call, copied from facts: failed attempts,
-- requeues, and the outcomes of these deliveries and of all that were discarded or expired. A few in a hundred of all
-- facts, so errors and pending retries are found without scanning the rest.
-- due_at of an outcome: the time the delivery last waited for; 1970 if it never waited.
-- Key: hour, destination, code, source, position in the log, correction. Partition: day received.
-- Retention: retention.store.facts_days, counted from received_at.
CREATE TABLE IF NOT EXISTS undelivered (
    kind LowCardinality(String),
    correction UInt8,
    count Int8,
    log_partition UInt16,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    message_id String CODEC(ZSTD(1)),
    event_type LowCardinality(String),
    event_name LowCardinality(String),
    app_version LowCardinality(String),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    delivery_id String CODEC(ZSTD(1)),
    attempt UInt16,
    code LowCardinality(String),
    message String CODEC(ZSTD(1)),
    state LowCardinality(String),
    due_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    error_group String,
    INDEX by_time at TYPE minmax GRANULARITY 1,
    INDEX by_due due_at TYPE minmax GRANULARITY 1,
    INDEX by_receipt received_at TYPE minmax GRANULARITY 1,
    INDEX appended appended_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (toStartOfHour(at), destination, code, source, log_partition, log_offset, correction)
TTL toDateTime(received_at) + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS undelivered_of_facts TO undelivered AS
SELECT kind, correction, count, log_partition, log_offset, appended_at, at, source, destination, mapping, message_id,
       event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts
WHERE destination != ''
  AND (kind IN ('attempt_failed', 'requeued')
       OR kind = 'outcome' AND (state IN ('discarded', 'expired') OR due_at > 0 OR attempt > 1));

-- error_hours: the messages of destinations by hour: failed attempts and undelivered outcomes, by group of similar
-- messages. Built together with hours. The row without a destination only records that the hour is built. Read through
-- view error_messages.
--   message  the newest one, at last_at
-- Key: hour, destination, code, error group, source, log partition. Partition: week, so that messages are dropped at
-- most a week after their facts.
-- Retention: retention.store.facts_days, counted from hour.
CREATE TABLE IF NOT EXISTS error_hours (
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    through DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    code LowCardinality(String),
    error_group String CODEC(ZSTD(1)),
    attempts UInt64,
    last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    message String CODEC(ZSTD(1)),
    PROJECTION built (SELECT log_partition, max(hour), max(through) GROUP BY log_partition)
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toMonday(hour)
ORDER BY (hour, destination, code, error_group, source, log_partition)
TTL hour + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    deduplicate_merge_projection_mode = 'rebuild';
