-- Delivered, not delivered, rates, latency and trend. Parameters of all views here:
--   from_ms, to_ms  Unix ms; the period is widened to whole minutes: [minute of from_ms, to_ms rounded up)
--   source, destination  '' for all
--   step_seconds    width of the buckets, at least 60; 0: the period is one bucket

-- counts: every count of the period, once. THE way to read minutes and hours; nothing else may read them.
-- A whole hour inside the period comes from hours, where its partition's hour was built and the buckets are whole hours
-- wide; all the rest comes from minutes: the edges, hours not built, and what was appended after an hour was built.
-- at: start of the minute or hour.
CREATE VIEW IF NOT EXISTS counts AS
WITH
    toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS first_minute,
    toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60, 'UTC') AS end_minute,
    toDateTime(intDiv({from_ms:Int64} + 3599999, 3600000) * 3600, 'UTC') AS first_hour,
    if({step_seconds:UInt32} % 3600 = 0,
       toDateTime(intDiv({to_ms:Int64} + 59999, 3600000) * 3600, 'UTC'), first_hour) AS end_hour
SELECT hour AS at, source, destination, mapping, event_type, event_name, app_version, status, code,
       count, latency, by_attempt
FROM hours FINAL
WHERE hour >= first_hour AND hour < end_hour
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
UNION ALL
SELECT minute AS at, source, destination, mapping, event_type, event_name, app_version, status, code,
       count, latency, by_attempt
FROM minutes FINAL
WHERE minute >= first_minute AND minute < end_minute
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
  AND (minute < first_hour OR minute >= end_hour
       OR (log_partition, toStartOfHour(minute), append_minute) IN (
           SELECT DISTINCT log_partition, hour, append_minute
           FROM (
               SELECT log_partition, toStartOfHour(minute) AS hour, append_minute FROM minutes
               WHERE minute >= first_hour AND minute < end_hour
           ) AS appended
           LEFT JOIN (
               SELECT log_partition, hour, max(through) AS through FROM hours
               WHERE hour >= first_hour AND hour < end_hour
               GROUP BY log_partition, hour
           ) AS built USING (log_partition, hour)
           WHERE append_minute > ifNull(through, toDateTime(0, 'UTC'))))
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- delivery_series: what became of deliveries, by the time in which it happened; only buckets with anything in them.
-- filtered is in no rate. possible_duplicates: calls that may repeat one made before a crash.
-- Latency is from received to delivered, in ms; NULL over none. THE RANK RULE: the q-quantile of n latencies is the
-- ceil(q * n)-th smallest (nearest rank), read from buckets, so within 1 % (model/latency.py).
CREATE VIEW IF NOT EXISTS delivery_series AS
WITH
    if({step_seconds:UInt32} = 0, 4294967296, greatest({step_seconds:UInt32}, 60)) AS width,
    (index -> toUInt64(round(2 * pow(1.005 / 0.995, index) / (1.005 / 0.995 + 1)))) AS value_ms
SELECT
    bucket, delivered, discarded + expired AS not_delivered, discarded, expired, filtered, attempts_failed,
    possible_duplicates,
    if(delivered + not_delivered <= 0, NULL, delivered / (delivered + not_delivered)) AS success_rate,
    if(length(ranked) = 0, NULL, value_ms(ranked[1])) AS p50_latency_ms,
    if(length(ranked) = 0, NULL, value_ms(ranked[2])) AS p95_latency_ms,
    if(length(ranked) = 0, NULL, value_ms(ranked[3])) AS p99_latency_ms
FROM (
    SELECT
        toDateTime(intDiv(toUnixTimestamp(at), width) * width, 'UTC') AS bucket,
        sumIf(count, status = 'delivered') AS delivered,
        sumIf(count, status = 'discarded') AS discarded,
        sumIf(count, status = 'expired') AS expired,
        sumIf(count, status = 'filtered') AS filtered,
        sumIf(count, status = 'attempt_failed') AS attempts_failed,
        sumIf(count, status = 'possible_duplicate') AS possible_duplicates,
        mapFilter((index, n) -> n > 0, sumMap(latency)) AS latencies,
        if(empty(latencies), [], arrayReduce('quantilesExactWeighted(0.5, 0.95, 0.99)', mapKeys(latencies),
            arrayMap(n -> toUInt64(n), mapValues(latencies)))) AS ranked
    FROM counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = {step_seconds:UInt32})
    GROUP BY bucket
);

-- delivery_metrics: the headline numbers of a period; always one row. Rates and latencies are NULL over none.
CREATE VIEW IF NOT EXISTS delivery_metrics AS
SELECT
    sum(s.delivered) AS delivered, sum(s.not_delivered) AS not_delivered, sum(s.discarded) AS discarded,
    sum(s.expired) AS expired, sum(s.filtered) AS filtered, sum(s.attempts_failed) AS attempts_failed,
    sum(s.possible_duplicates) AS possible_duplicates, max(s.success_rate) AS success_rate,
    max(s.p50_latency_ms) AS p50_latency_ms, max(s.p95_latency_ms) AS p95_latency_ms,
    max(s.p99_latency_ms) AS p99_latency_ms
FROM delivery_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                     destination = {destination:String}, step_seconds = 0) AS s;

-- delivery_trend: the series with a row for every bucket of the period, oldest first; at most 11,000 of them.
-- step_seconds must not be 0 here. Counts of an empty bucket are 0, its rate and latency NULL.
CREATE VIEW IF NOT EXISTS delivery_trend AS
WITH greatest({step_seconds:UInt32}, 60) AS width
SELECT buckets.bucket AS bucket, s.delivered AS delivered, s.not_delivered AS not_delivered,
       s.success_rate AS success_rate, s.p95_latency_ms AS p95_latency_ms
FROM (
    SELECT
        toUInt64(intDiv(intDiv({from_ms:Int64}, 1000), width) * width) AS first,
        toUInt64(intDiv({to_ms:Int64} + 59999, 60000) * 60) AS end,
        throwIf(intDiv(toInt64(end) - toInt64(first), width) > 11000,
                'more than 11000 buckets: choose a larger step_seconds or a shorter period') AS too_many,
        toDateTime(arrayJoin(range(first, if(too_many = 0, end, first), width)), 'UTC') AS bucket
) AS buckets
LEFT JOIN delivery_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                          destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS s
    ON s.bucket = buckets.bucket
ORDER BY bucket;
