-- Latencies: kept added up over sources and destinations, so that a month of them is read as quickly as its counts.

-- hour_latencies: the latencies of deliveries, by hour: of each connection, of each source over all its destinations
-- (destination ''), of each destination over all its sources (source ''), and of all (both ''), so that whatever is
-- chosen is one row for each partition of the log. Built with the hours of minutes; an hour built has a row of all.
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

-- What was recorded before this migration.
INSERT INTO hour_latencies
SELECT hour, max(hour_totals.through), log_partition, source, destination, sumMap(latency)
FROM hour_totals FINAL
WHERE notEmpty(latency)
GROUP BY GROUPING SETS (
    (hour, log_partition, source, destination), (hour, log_partition, source), (hour, log_partition, destination));

INSERT INTO hour_latencies
SELECT hour, max(hour_totals.through), log_partition, '', '', sumMap(latency)
FROM hour_totals FINAL
GROUP BY hour, log_partition;
