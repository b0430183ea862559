-- What happened in a period: the three views that read the counts of recording, and series and trends from them.
-- Parameters of all views, here and in the other files:
--   from_ms, to_ms  Unix ms; the period is widened to whole minutes: [minute of from_ms, to_ms rounded up)
--   source, destination  '' for all
--   step_seconds    width of the buckets, at least 60; 0: the period is one bucket
-- Rates and shares go from 0 to 1 and are NULL over none. Latencies are in ms and NULL over none.

-- totals: the counts of the period by source, destination, status and code, each once. Always read minute_totals and
-- hour_totals through this view. Besides the parameters above:
--   split_ms     a time in the period, such as the start of its second half: no row spans its minute, so `at` separates
--                both sides; 0 for none
-- Whole hours inside the period come from hour_totals as far as hours are built. The edges of the period, hours not
-- built yet, and minutes appended after their hour was built come from minute_totals.
-- built: for each log partition, the end of its last hour built and the last append minute included in its hours.
-- at: start of the minute or hour. first_at, last_at: of discarded and expired, time of the first and the last outcome
-- counted; 1970 if unknown.
CREATE VIEW totals AS
WITH
    toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS first_minute,
    toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60, 'UTC') AS end_minute,
    toDateTime(intDiv({from_ms:Int64} + 3599999, 3600000) * 3600, 'UTC') AS first_hour,
    if(intDiv({split_ms:Int64}, 60000) % 60 = 0, toDateTime(0, 'UTC'),
       toDateTime(intDiv({split_ms:Int64}, 3600000) * 3600, 'UTC')) AS split_hour,
    (SELECT mapFromArrays(groupArray(log_partition), groupArray((end, through)))
     FROM (SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(hour_totals.through) AS through
           FROM hour_totals GROUP BY log_partition)) AS built,
    least(if({step_seconds:UInt32} % 3600 = 0,
             toDateTime(intDiv({to_ms:Int64} + 59999, 3600000) * 3600, 'UTC'), first_hour),
          arrayMin(mapValues(built).1)) AS end_hour
SELECT hour AS at, source, destination, status, code, count, latency, by_attempt,
       queue_ms, retry_wait_ms, limit_wait_ms, calls_ms, first_at, last_at
FROM hour_totals FINAL
WHERE hour >= first_hour AND hour < end_hour AND hour != split_hour
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
UNION ALL
SELECT minute AS at, source, destination, status, code, count, latency, by_attempt,
       queue_ms, retry_wait_ms, limit_wait_ms, calls_ms, first_at, last_at
FROM minute_totals FINAL
WHERE minute >= first_minute AND minute < end_minute
  AND (minute < first_hour OR minute >= end_hour
       OR minute >= split_hour AND minute < split_hour + toIntervalHour(1)
       OR append_minute > arrayMin(mapValues(built).2) AND append_minute > built[log_partition].2)
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- counts: every count of the period with every dimension, each once, for breakdowns. Always read minutes and hours
-- through this view. Hours and edges as in totals.
CREATE VIEW counts AS
WITH
    toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS first_minute,
    toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60, 'UTC') AS end_minute,
    toDateTime(intDiv({from_ms:Int64} + 3599999, 3600000) * 3600, 'UTC') AS first_hour,
    (SELECT mapFromArrays(groupArray(log_partition), groupArray((end, through)))
     FROM (SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(hours.through) AS through
           FROM hours GROUP BY log_partition)) AS built,
    least(if({step_seconds:UInt32} % 3600 = 0,
             toDateTime(intDiv({to_ms:Int64} + 59999, 3600000) * 3600, 'UTC'), first_hour),
          arrayMin(mapValues(built).1)) AS end_hour
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
  AND (minute < first_hour OR minute >= end_hour
       OR append_minute > arrayMin(mapValues(built).2) AND append_minute > built[log_partition].2)
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- latencies: the latencies of the period, each once. Always read hour_latencies through this view; parameters, hours
-- and edges as in totals.
CREATE VIEW latencies AS
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

-- count_series: outcomes of deliveries by the time of the outcome; empty buckets are left out.
-- No rate includes filtered. possible_duplicates: calls that may repeat one made before a crash.
CREATE VIEW count_series AS
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

-- count_trend: the series with a row for every bucket of the period, oldest first; at most 11,000 of them.
-- step_seconds must not be 0 here. Counts of an empty bucket are 0, its rate NULL.
CREATE VIEW count_trend AS
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

-- latency_series: latencies by the time of delivery; empty buckets are left out. From received to delivered, in ms;
-- NULL over none. The rank rule: the q-quantile of n latencies is the ceil(q * n)-th smallest (nearest rank), read from
-- buckets, so within 1 % (model/recording/latency.py).
CREATE VIEW latency_series AS
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

-- latency_trend: the series with a row for every bucket of the period, as in count_trend; NULL in an empty one.
CREATE VIEW latency_trend AS
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

-- delivery_series: count_series and latency_series side by side. Where only one is needed, query that one.
CREATE VIEW delivery_series AS
SELECT counts.*, latencies.p50_latency_ms AS p50_latency_ms, latencies.p95_latency_ms AS p95_latency_ms,
       latencies.p99_latency_ms AS p99_latency_ms
FROM count_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                  destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS counts
LEFT JOIN latency_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                         destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS latencies
    ON latencies.bucket = counts.bucket;

-- delivery_trend: count_trend and latency_trend side by side.
CREATE VIEW delivery_trend AS
SELECT counts.*, latencies.p50_latency_ms AS p50_latency_ms, latencies.p95_latency_ms AS p95_latency_ms,
       latencies.p99_latency_ms AS p99_latency_ms
FROM count_trend(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                 destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS counts
LEFT JOIN latency_trend(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                        destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS latencies
    ON latencies.bucket = counts.bucket
ORDER BY counts.bucket;

-- delivery_metrics: the headline numbers of a period; always one row. Rates and latencies are NULL over none.
CREATE VIEW delivery_metrics AS
SELECT
    sum(s.delivered) AS delivered, sum(s.not_delivered) AS not_delivered, sum(s.discarded) AS discarded,
    sum(s.expired) AS expired, sum(s.filtered) AS filtered, sum(s.attempts_failed) AS attempts_failed,
    sum(s.possible_duplicates) AS possible_duplicates, max(s.success_rate) AS success_rate,
    max(s.p50_latency_ms) AS p50_latency_ms, max(s.p95_latency_ms) AS p95_latency_ms,
    max(s.p99_latency_ms) AS p99_latency_ms
FROM delivery_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                     destination = {destination:String}, step_seconds = 0) AS s;
