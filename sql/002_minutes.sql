-- Minutes: counts per minute in which something happened, made by the recording flow.
--
-- A row is keyed by the minute of the facts AND the minute in which the log took them (append_minute). While an append
-- minute is open its rows are sent again with larger counts, and the highest version (last log offset included) wins;
-- once it is closed they never change. Rows of different append minutes add up, so a late fact adds a small row and
-- overwrites nothing. Always read with FINAL.
--
-- status     received, rejected, duplicate, attempt_failed, requeued, filtered, delivered, discarded, expired,
--            possible_duplicate
-- count      may be negative where a verdict was taken back
-- latency    of delivered: how many by latency bucket (model/recording/latency.py)
-- by_attempt of delivered: how many by number of calls made
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
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(minute)
ORDER BY (destination, source, status, code, mapping, event_type, event_name, app_version,
          minute, log_partition, append_minute)
TTL minute + toIntervalSecond(7776000)
SETTINGS ttl_only_drop_parts = 1;

-- Hours: the sum of one partition's closed minutes, for long ranges. `through` is the last append minute that is
-- included; minutes appended later are added when reading (view counts) until the hour is built again.
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
    by_attempt Map(UInt8, Int64) CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toYYYYMM(hour)
ORDER BY (destination, source, status, code, mapping, event_type, event_name, app_version, hour, log_partition)
TTL hour + toIntervalSecond(34560000)
SETTINGS ttl_only_drop_parts = 1;
