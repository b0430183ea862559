-- Minutes and hours: counts with every dimension, for breakdowns by mapping, event type, event name and app version.
-- Read both through view counts.
--
-- status      received, rejected, duplicate, attempt_failed, requeued, filtered, delivered, discarded, expired,
--             possible_duplicate
-- count       negative where an outcome was taken back
-- latency     of delivered: number of deliveries by latency bucket (model/recording/latency.py)
-- by_attempt  of delivered: number of deliveries by number of calls
-- The time is last in the keys, so OR conditions over times use the minmax indexes.

-- minutes: counts per minute in which something happened, computed by the recording flow.
-- A row is keyed by the minute of the facts and also by the minute in which they were appended to topic outcomes
-- (append_minute). While an append minute is open, its rows are sent again with larger counts, and the highest version
-- (the last log offset it includes) replaces the others. Rows of a closed append minute never change. Rows of different
-- append minutes add up, so a late fact adds a small row and overwrites nothing. Always read with FINAL.
-- Key: all dimensions, minute, log partition, append minute. Partition: day.
-- Retention: retention.store.minutes_days, counted from minute.
CREATE TABLE IF NOT EXISTS minutes (
    minute DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    append_minute DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    event_type LowCardinality(String),
    event_name LowCardinality(String),
    app_version LowCardinality(String),
    status LowCardinality(String),
    code LowCardinality(String),
    count Int64,
    latency Map(Int16, Int64) CODEC(ZSTD(1)),
    by_attempt Map(UInt8, Int64) CODEC(ZSTD(1)),
    version UInt64,
    INDEX by_minute minute TYPE minmax GRANULARITY 1,
    INDEX appended append_minute TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(minute)
ORDER BY (destination, source, status, code, mapping, event_type, event_name, app_version,
          minute, log_partition, append_minute)
TTL minute + toIntervalSecond(7776000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- hours: for each log partition, the sum of its closed minutes, for long periods (statements/rebuild_hours.sql).
-- through is the last append minute included. Minutes appended later are added at read time until the hour is rebuilt.
-- Every read asks up to which hour and append minute hours are built; the projection answers without reading rows.
-- Key: all dimensions, hour, log partition; the latest through replaces the others. Partition: month.
-- Retention: retention.store.hours_days, counted from hour.
CREATE TABLE IF NOT EXISTS hours (
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    through DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    event_type LowCardinality(String),
    event_name LowCardinality(String),
    app_version LowCardinality(String),
    status LowCardinality(String),
    code LowCardinality(String),
    count Int64,
    latency Map(Int16, Int64) CODEC(ZSTD(1)),
    by_attempt Map(UInt8, Int64) CODEC(ZSTD(1)),
    PROJECTION built (SELECT log_partition, max(hour), max(through) GROUP BY log_partition)
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toYYYYMM(hour)
ORDER BY (destination, source, status, code, mapping, event_type, event_name, app_version, hour, log_partition)
TTL hour + toIntervalSecond(34560000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    deduplicate_merge_projection_mode = 'rebuild';
