-- Totals: the numbers people look at all day, without mapping, event type, event name and app version, so that a long
-- period is read in a tenth of a second. Versions, append minutes and through are those of minutes and hours
-- (002_minutes_hours.sql). The TTLs of ten years last only until `waybill migrate` sets the workspace's retention.
--
-- by_attempt  of delivered, attempt_failed, discarded and expired: how many by number of calls; 0: no call
-- …_ms        of delivered: the four parts of their latencies, added up
-- first_at, last_at  of discarded and expired: time of the first and the last outcome counted, including those that
--             are taken back later; 1970 if unknown

-- minute_totals: one row per minute, append minute, source, destination, status and code, computed by the recording
-- flow beside minutes. Read through views totals and latencies.
-- Key: minute, destination, source, status, code, log partition, append minute. Partition: day.
-- Retention: retention.store.minutes_days, counted from minute.
CREATE TABLE IF NOT EXISTS minute_totals (
    minute DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    append_minute DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    status LowCardinality(String),
    code LowCardinality(String),
    count Int64,
    latency Map(Int16, UInt32) CODEC(ZSTD(1)),
    by_attempt Map(UInt8, Int64) CODEC(ZSTD(1)),
    queue_ms Int64,
    retry_wait_ms Int64,
    limit_wait_ms Int64,
    calls_ms Int64,
    version UInt64,
    first_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    INDEX by_minute minute TYPE minmax GRANULARITY 1,
    INDEX appended append_minute TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(minute)
ORDER BY (minute, destination, source, status, code, log_partition, append_minute)
TTL minute + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- hour_totals: for each log partition, the sum of its closed minute_totals. Read through view totals.
-- Key: hour, destination, source, status, code, log partition. Partition: month.
-- Retention: retention.store.hours_days, counted from hour.
CREATE TABLE IF NOT EXISTS hour_totals (
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    through DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    status LowCardinality(String),
    code LowCardinality(String),
    count Int64,
    latency Map(Int16, UInt32) CODEC(ZSTD(1)),
    by_attempt Map(UInt8, Int64) CODEC(ZSTD(1)),
    queue_ms Int64,
    retry_wait_ms Int64,
    limit_wait_ms Int64,
    calls_ms Int64,
    first_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    PROJECTION built (SELECT log_partition, max(hour), max(through) GROUP BY log_partition)
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, destination, source, status, code, log_partition)
TTL hour + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    deduplicate_merge_projection_mode = 'rebuild';

-- hour_latencies: the latencies of hour_totals, added up for every choice of source and destination, so that a month
-- of latencies is read as quickly as a month of counts: by connection, by source (destination ''), by destination
-- (source ''), and over all (both ''). Every hour built has a row over all. Read through view latencies.
-- Key: source, destination, hour, log partition. Partition: month.
-- Retention: retention.store.hours_days, counted from hour.
CREATE TABLE IF NOT EXISTS hour_latencies (
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    through DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    latency Map(Int16, UInt32) CODEC(ZSTD(1)),
    PROJECTION built (SELECT log_partition, max(hour), max(through) GROUP BY log_partition)
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toYYYYMM(hour)
ORDER BY (source, destination, hour, log_partition)
TTL hour + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    deduplicate_merge_projection_mode = 'rebuild';
