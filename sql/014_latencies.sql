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

-- latencies: the latencies of the period, once. THE way to read hour_latencies; parameters and edges as of totals.
CREATE VIEW IF NOT EXISTS latencies AS
WITH
    toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS first_minute,
    toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60, 'UTC') AS end_minute,
    toDateTime(intDiv({from_ms:Int64} + 3599999, 3600000) * 3600, 'UTC') AS first_hour,
    if(intDiv({split_ms:Int64}, 60000) % 60 = 0, toDateTime(0, 'UTC'),
       toDateTime(intDiv({split_ms:Int64}, 3600000) * 3600, 'UTC')) AS split_hour,
    (SELECT mapFromArrays(groupArray(log_partition), groupArray((end, through)))
     FROM (SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(hour_latencies.through) AS through
           FROM hour_latencies GROUP BY log_partition)) AS built,
    least(if({step_seconds:UInt32} % 3600 = 0,
             toDateTime(intDiv({to_ms:Int64} + 59999, 3600000) * 3600, 'UTC'), first_hour),
          arrayMin(mapValues(built).1)) AS end_hour
SELECT hour AS at, latency
FROM hour_latencies FINAL
WHERE source = {source:String} AND destination = {destination:String}
  AND hour >= first_hour AND hour < end_hour AND hour != split_hour AND notEmpty(latency)
UNION ALL
SELECT minute AS at, latency
FROM minute_totals FINAL
WHERE minute >= first_minute AND minute < end_minute
  AND (minute < first_hour OR minute >= end_hour
       OR minute >= split_hour AND minute < split_hour + toIntervalHour(1)
       OR append_minute > arrayMin(mapValues(built).2) AND append_minute > built[log_partition].2)
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
  AND status = 'delivered' AND notEmpty(latency)
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- latency_series: latencies by the time of delivery; only buckets with any in them. THE RANK RULE: as in 003.
CREATE VIEW IF NOT EXISTS latency_series AS
WITH
    if({step_seconds:UInt32} = 0, 4294967296, greatest({step_seconds:UInt32}, 60)) AS width,
    (index -> toUInt64(round(2 * pow(1.005 / 0.995, index) / (1.005 / 0.995 + 1)))) AS value_ms
SELECT bucket, toNullable(value_ms(ranked[1])) AS p50_latency_ms, toNullable(value_ms(ranked[2])) AS p95_latency_ms,
       toNullable(value_ms(ranked[3])) AS p99_latency_ms
FROM (
    SELECT
        toDateTime(intDiv(toUnixTimestamp(at), width) * width, 'UTC') AS bucket,
        quantilesExactWeightedArray(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency)) AS ranked
    FROM latencies(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                   destination = {destination:String}, step_seconds = {step_seconds:UInt32})
    GROUP BY bucket
);

-- latency_trend: the series with a row for every bucket of the period, oldest first, as in delivery_trend; NULL in an
-- empty one.
CREATE VIEW IF NOT EXISTS latency_trend AS
SELECT bucket, p50_latency_ms, p95_latency_ms, p99_latency_ms
FROM latency_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                    destination = {destination:String}, step_seconds = {step_seconds:UInt32})
ORDER BY bucket WITH FILL
    FROM toDateTime(intDiv(intDiv({from_ms:Int64}, 1000), greatest({step_seconds:UInt32}, 60))
                    * greatest({step_seconds:UInt32}, 60), 'UTC')
    TO toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60 + assumeNotNull((
        SELECT throwIf(intDiv({to_ms:Int64} - {from_ms:Int64}, 1000 * greatest({step_seconds:UInt32}, 60)) > 11000,
                       'more than 11000 buckets: choose a larger step_seconds or a shorter period'))), 'UTC')
    STEP greatest({step_seconds:UInt32}, 60);

-- count_series: what became of deliveries, by the time in which it happened; only buckets with anything in them.
-- filtered is in no rate. possible_duplicates: calls that may repeat one made before a crash.
CREATE VIEW IF NOT EXISTS count_series AS
WITH if({step_seconds:UInt32} = 0, 4294967296, greatest({step_seconds:UInt32}, 60)) AS width
SELECT
    toDateTime(intDiv(toUnixTimestamp(at), width) * width, 'UTC') AS bucket,
    sumIf(count, status = 'delivered') AS delivered,
    discarded + expired AS not_delivered,
    sumIf(count, status = 'discarded') AS discarded,
    sumIf(count, status = 'expired') AS expired,
    sumIf(count, status = 'filtered') AS filtered,
    sumIf(count, status = 'attempt_failed') AS attempts_failed,
    sumIf(count, status = 'possible_duplicate') AS possible_duplicates,
    if(delivered + not_delivered <= 0, NULL, delivered / (delivered + not_delivered)) AS success_rate
FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
            destination = {destination:String}, step_seconds = {step_seconds:UInt32})
GROUP BY bucket;

-- count_trend: the series with a row for every bucket of the period, oldest first, as in delivery_trend.
CREATE VIEW IF NOT EXISTS count_trend AS
SELECT bucket, delivered, not_delivered, filtered, attempts_failed, success_rate
FROM count_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                  destination = {destination:String}, step_seconds = {step_seconds:UInt32})
ORDER BY bucket WITH FILL
    FROM toDateTime(intDiv(intDiv({from_ms:Int64}, 1000), greatest({step_seconds:UInt32}, 60))
                    * greatest({step_seconds:UInt32}, 60), 'UTC')
    TO toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60 + assumeNotNull((
        SELECT throwIf(intDiv({to_ms:Int64} - {from_ms:Int64}, 1000 * greatest({step_seconds:UInt32}, 60)) > 11000,
                       'more than 11000 buckets: choose a larger step_seconds or a shorter period'))), 'UTC')
    STEP greatest({step_seconds:UInt32}, 60);

-- delivery_series: count_series and latency_series beside each other. Where only one of the two is wanted, ask it.
CREATE OR REPLACE VIEW delivery_series AS
SELECT counts.*, latencies.p50_latency_ms AS p50_latency_ms, latencies.p95_latency_ms AS p95_latency_ms,
       latencies.p99_latency_ms AS p99_latency_ms
FROM count_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                  destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS counts
LEFT JOIN latency_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                         destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS latencies
    ON latencies.bucket = counts.bucket;

-- key_latencies: as in 011, from latencies.
CREATE OR REPLACE VIEW key_latencies AS
WITH
    at >= toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS is_now,
    index -> toUInt64(round(2 * pow(1.005 / 0.995, index) / (1.005 / 0.995 + 1))) AS value_ms
SELECT
    if(timed = 0, NULL, value_ms(ranked[1])) AS p50_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[1])) AS p50_latency_ms_before,
    toInt64(p50_latency_ms) - toInt64(p50_latency_ms_before) AS p50_latency_change_ms,
    if(timed = 0, NULL, value_ms(ranked[2])) AS p95_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[2])) AS p95_latency_ms_before,
    toInt64(p95_latency_ms) - toInt64(p95_latency_ms_before) AS p95_latency_change_ms,
    if(timed = 0, NULL, value_ms(ranked[3])) AS p99_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[3])) AS p99_latency_ms_before,
    toInt64(p99_latency_ms) - toInt64(p99_latency_ms_before) AS p99_latency_change_ms
FROM (
    SELECT
        countIf(is_now) AS timed, countIf(NOT is_now) AS timed_before,
        quantilesExactWeightedArrayIf(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency), is_now) AS ranked,
        quantilesExactWeightedArrayIf(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency), NOT is_now)
            AS ranked_before
    FROM latencies(
        from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000)) * 60000,
        split_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
        destination = {destination:String}, step_seconds = 0)
);
