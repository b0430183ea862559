-- Totals: what people look at all day, kept so that a period is read in a tenth of a second.
--
-- minute_totals has the rows of minutes without mapping, event type, name and version: one for each minute, append
-- minute, source, destination, status and code. Made by the recording flow beside minutes and in the same way (002).
-- hour_totals is to it what hours is to minutes.
--   by_attempt   of delivered, attempt_failed, discarded and expired: how many by number of calls made; 0: no call
--   …_ms         of delivered: the four parts of their latencies, added up
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
    INDEX appended append_minute TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(minute)
ORDER BY (minute, destination, source, status, code, log_partition, append_minute)
TTL minute + toIntervalSecond(7776000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

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
    PROJECTION built (SELECT log_partition, max(hour), max(through) GROUP BY log_partition)
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, destination, source, status, code, log_partition)
TTL hour + toIntervalSecond(34560000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    deduplicate_merge_projection_mode = 'rebuild';

-- Late rows of minutes are found by this, as those of minute_totals; the projection did it before.
ALTER TABLE minutes DROP PROJECTION IF EXISTS appended;
ALTER TABLE minutes ADD INDEX IF NOT EXISTS appended append_minute TYPE minmax GRANULARITY 1;
ALTER TABLE minutes MATERIALIZE INDEX appended;

-- Up to where hours are built is asked by every reading of counts: all that was appended up to the last `through` of a
-- partition and speaks of hours up to its last one is in them. This answers without reading the rows.
ALTER TABLE hours MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';
ALTER TABLE hours ADD PROJECTION IF NOT EXISTS built (
    SELECT log_partition, max(hour), max(through) GROUP BY log_partition
);
ALTER TABLE hours MATERIALIZE PROJECTION built;

-- undelivered: the facts of deliveries that did not arrive at the first call: failed calls, puttings back, outcomes
-- discarded and expired. Some in a hundred of all facts, so that errors and what waits are found without the rest.
CREATE TABLE IF NOT EXISTS undelivered (
    kind LowCardinality(String),
    correction UInt8,
    count Int8,
    log_partition UInt16,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
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
    INDEX by_due due_at TYPE minmax GRANULARITY 1,
    INDEX by_receipt received_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (toStartOfHour(at), destination, code, source, log_partition, log_offset, correction)
TTL toDateTime(received_at) + toIntervalSecond(2592000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS undelivered_of_facts TO undelivered AS
SELECT kind, correction, count, log_partition, log_offset, at, source, destination, mapping, message_id, event_type,
       event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts
WHERE destination != ''
  AND (kind IN ('attempt_failed', 'spilled') OR kind = 'outcome' AND state IN ('discarded', 'expired'));

-- What was recorded before this migration.
INSERT INTO undelivered
SELECT kind, correction, count, log_partition, log_offset, at, source, destination, mapping, message_id, event_type,
       event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts FINAL
WHERE destination != ''
  AND (kind IN ('attempt_failed', 'spilled') OR kind = 'outcome' AND state IN ('discarded', 'expired'));

INSERT INTO minute_totals
SELECT m.minute, m.append_minute, m.log_partition, m.source, m.destination, m.status, m.code, m.count, m.latency,
       if(m.status = 'delivered', m.by_attempt, told.by_attempt), told.queue_ms, told.retry_wait_ms, told.limit_wait_ms,
       told.calls_ms, m.version
FROM (
    SELECT minute, append_minute, log_partition, source, destination, status, code, sum(minutes.count) AS count,
           sumMap(minutes.latency) AS latency, sumMap(minutes.by_attempt) AS by_attempt, max(minutes.version) AS version
    FROM minutes FINAL
    GROUP BY minute, append_minute, log_partition, source, destination, status, code
) AS m
LEFT JOIN (
    SELECT toStartOfMinute(toDateTime(at)) AS minute, toStartOfMinute(toDateTime(appended_at)) AS append_minute,
           log_partition, source, destination, toString(if(kind = 'outcome', state, kind)) AS status, code,
           sumMap(map(toUInt8(least(attempt, 255)), toInt64(facts.count))) AS by_attempt,
           sum(toInt64(facts.queue_ms)) AS queue_ms, sum(toInt64(facts.retry_wait_ms)) AS retry_wait_ms,
           sum(toInt64(facts.limit_wait_ms)) AS limit_wait_ms, sum(toInt64(facts.calls_ms)) AS calls_ms
    FROM facts FINAL
    WHERE kind IN ('outcome', 'attempt_failed') AND state != 'filtered' AND count != 0
    GROUP BY minute, append_minute, log_partition, source, destination, status, code
) AS told USING (minute, append_minute, log_partition, source, destination, status, code);

INSERT INTO hour_totals
SELECT toStartOfHour(t.minute) AS hour, any(built.through), t.log_partition, t.source, t.destination, t.status, t.code,
       sum(t.count), sumMap(t.latency), sumMap(t.by_attempt), sum(t.queue_ms), sum(t.retry_wait_ms),
       sum(t.limit_wait_ms), sum(t.calls_ms)
FROM (SELECT * FROM minute_totals FINAL) AS t
INNER JOIN (
    SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(hours.through) AS through
    FROM hours GROUP BY log_partition
) AS built ON built.log_partition = t.log_partition
WHERE t.minute < built.end AND t.append_minute <= built.through
GROUP BY hour, t.log_partition, t.source, t.destination, t.status, t.code;

-- Hours whose minutes are past their retention: where their time went, and at which call they failed, is not known.
INSERT INTO hour_totals
SELECT hour, max(hours.through), log_partition, source, destination, status, code, sum(hours.count),
       sumMap(hours.latency), sumMap(hours.by_attempt), 0, 0, 0, 0
FROM hours FINAL
WHERE hour < (SELECT toStartOfHour(min(minute)) FROM minutes)
GROUP BY hour, log_partition, source, destination, status, code;

-- totals: the counts of the period by source, destination, status and code, once. THE way to read minute_totals and
-- hour_totals; parameters as in 003, and
--   split_ms     a moment in the period whose minute no row reaches across, so that the two sides can be told apart by
--                `at`; 0 for none
-- Whole hours inside the period come from hour_totals as far as hours are built; the edges, hours not built yet, and
-- what was appended after building come from minute_totals.
-- at: start of the minute or hour.
CREATE OR REPLACE VIEW totals AS
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
       queue_ms, retry_wait_ms, limit_wait_ms, calls_ms
FROM hour_totals FINAL
WHERE hour >= first_hour AND hour < end_hour AND hour != split_hour
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
UNION ALL
SELECT minute AS at, source, destination, status, code, count, latency, by_attempt,
       queue_ms, retry_wait_ms, limit_wait_ms, calls_ms
FROM minute_totals FINAL
WHERE minute >= first_minute AND minute < end_minute
  AND (minute < first_hour OR minute >= end_hour
       OR minute >= split_hour AND minute < split_hour + toIntervalHour(1))
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
UNION ALL
SELECT minute AS at, source, destination, status, code, count, latency, by_attempt,
       queue_ms, retry_wait_ms, limit_wait_ms, calls_ms
FROM minute_totals FINAL
WHERE minute >= first_hour AND minute < end_hour
  AND (minute < split_hour OR minute >= split_hour + toIntervalHour(1))
  AND append_minute > arrayMin(mapValues(built).2) AND append_minute > built[log_partition].2
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- counts: as in 003 and 010, with every dimension: for breaking down.
CREATE OR REPLACE VIEW counts AS
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
WHERE minute >= first_minute AND minute < end_minute AND (minute < first_hour OR minute >= end_hour)
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
UNION ALL
SELECT minute AS at, source, destination, mapping, event_type, event_name, app_version, status, code,
       count, latency, by_attempt
FROM minutes FINAL
WHERE minute >= first_hour AND minute < end_hour
  AND append_minute > arrayMin(mapValues(built).2) AND append_minute > built[log_partition].2
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- delivery_series: as in 003.
CREATE OR REPLACE VIEW delivery_series AS
WITH
    if({step_seconds:UInt32} = 0, 4294967296, greatest({step_seconds:UInt32}, 60)) AS width,
    (index -> toUInt64(round(2 * pow(1.005 / 0.995, index) / (1.005 / 0.995 + 1)))) AS value_ms
SELECT
    bucket, delivered, discarded + expired AS not_delivered, discarded, expired, filtered, attempts_failed,
    possible_duplicates,
    if(delivered + not_delivered <= 0, NULL, delivered / (delivered + not_delivered)) AS success_rate,
    if(timed = 0, NULL, value_ms(ranked[1])) AS p50_latency_ms,
    if(timed = 0, NULL, value_ms(ranked[2])) AS p95_latency_ms,
    if(timed = 0, NULL, value_ms(ranked[3])) AS p99_latency_ms
FROM (
    SELECT
        toDateTime(intDiv(toUnixTimestamp(at), width) * width, 'UTC') AS bucket,
        sumIf(count, status = 'delivered') AS delivered,
        sumIf(count, status = 'discarded') AS discarded,
        sumIf(count, status = 'expired') AS expired,
        sumIf(count, status = 'filtered') AS filtered,
        sumIf(count, status = 'attempt_failed') AS attempts_failed,
        sumIf(count, status = 'possible_duplicate') AS possible_duplicates,
        countIf(notEmpty(latency)) AS timed,
        quantilesExactWeightedArray(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency)) AS ranked
    FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = {step_seconds:UInt32})
    GROUP BY bucket
);

-- key_metrics: as in 010.
CREATE OR REPLACE VIEW key_metrics AS
WITH
    (n, n_before) -> if(n_before > 0, 100 * (n - n_before) / n_before, NULL) AS change_percent,
    index -> toUInt64(round(2 * pow(1.005 / 0.995, index) / (1.005 / 0.995 + 1))) AS value_ms
SELECT
    delivered, delivered_before, change_percent(delivered, delivered_before) AS delivered_change_percent,
    not_delivered, not_delivered_before,
    change_percent(not_delivered, not_delivered_before) AS not_delivered_change_percent,
    filtered, filtered_before, change_percent(filtered, filtered_before) AS filtered_change_percent,
    if(delivered + not_delivered <= 0, NULL, delivered / (delivered + not_delivered)) AS success_rate,
    if(delivered_before + not_delivered_before <= 0, NULL,
       delivered_before / (delivered_before + not_delivered_before)) AS success_rate_before,
    100 * (success_rate - success_rate_before) AS success_rate_change_points,
    if(timed = 0, NULL, value_ms(ranked[1])) AS p50_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[1])) AS p50_latency_ms_before,
    toInt64(p50_latency_ms) - toInt64(p50_latency_ms_before) AS p50_latency_change_ms,
    if(timed = 0, NULL, value_ms(ranked[2])) AS p95_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[2])) AS p95_latency_ms_before,
    toInt64(p95_latency_ms) - toInt64(p95_latency_ms_before) AS p95_latency_change_ms,
    if(timed = 0, NULL, value_ms(ranked[3])) AS p99_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[3])) AS p99_latency_ms_before,
    toInt64(p99_latency_ms) - toInt64(p99_latency_ms_before) AS p99_latency_change_ms,
    possible_duplicates, possible_duplicates_before,
    change_percent(possible_duplicates, possible_duplicates_before) AS possible_duplicates_change_percent
FROM (
    SELECT
        sumIf(count, is_now AND status = 'delivered') AS delivered,
        sumIf(count, NOT is_now AND status = 'delivered') AS delivered_before,
        sumIf(count, is_now AND status IN ('discarded', 'expired')) AS not_delivered,
        sumIf(count, NOT is_now AND status IN ('discarded', 'expired')) AS not_delivered_before,
        sumIf(count, is_now AND status = 'filtered') AS filtered,
        sumIf(count, NOT is_now AND status = 'filtered') AS filtered_before,
        sumIf(count, is_now AND status = 'possible_duplicate') AS possible_duplicates,
        sumIf(count, NOT is_now AND status = 'possible_duplicate') AS possible_duplicates_before,
        countIf(is_now AND notEmpty(latency)) AS timed, countIf(NOT is_now AND notEmpty(latency)) AS timed_before,
        quantilesExactWeightedArrayIf(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency), is_now) AS ranked,
        quantilesExactWeightedArrayIf(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency), NOT is_now)
            AS ranked_before
    FROM (
        SELECT at >= toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS is_now, status, count, latency
        FROM totals(
            from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000)) * 60000,
            split_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
            destination = {destination:String}, step_seconds = 0)
    )
);

-- latency_split: where the time of the deliveries delivered in the period went: the mean of each part of their way, in
-- ms, by connection. The four add up to the mean latency.
CREATE OR REPLACE VIEW latency_split AS
SELECT source, destination, sum(t.count) AS delivered,
       sum(t.queue_ms) / delivered AS mean_queue_ms, sum(t.retry_wait_ms) / delivered AS mean_retry_wait_ms,
       sum(t.limit_wait_ms) / delivered AS mean_limit_wait_ms, sum(t.calls_ms) / delivered AS mean_calls_ms
FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
            destination = {destination:String}, step_seconds = 0) AS t
WHERE status = 'delivered'
GROUP BY source, destination
HAVING delivered > 0
ORDER BY source, destination;

-- success_by_attempt: as in 010, all of it by the minute in which it happened.
CREATE OR REPLACE VIEW success_by_attempt AS
SELECT
    attempt, sumIf(n, status = 'delivered') AS delivered,
    if(sum(delivered) OVER () > 0, delivered / sum(delivered) OVER (), NULL) AS share,
    if(sum(delivered) OVER () > 0, sum(delivered) OVER (ORDER BY attempt) / sum(delivered) OVER (), NULL)
        AS cumulative_share,
    sumIf(n, status = 'attempt_failed') AS attempts_failed,
    sumIf(n, status IN ('discarded', 'expired')) AS not_delivered
FROM (
    SELECT status, toUInt16(calls) AS attempt, sum(told) AS n
    FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = 0)
    ARRAY JOIN mapKeys(by_attempt) AS calls, mapValues(by_attempt) AS told
    GROUP BY status, attempt
)
GROUP BY attempt
HAVING delivered > 0 OR attempts_failed > 0 OR not_delivered > 0
ORDER BY attempt;

-- pending_deliveries: as in 010.
CREATE OR REPLACE VIEW pending_deliveries AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end,
    (SELECT fromUnixTimestamp64Milli(greatest(0, ifNull(watermark_ms - {settle_seconds:UInt32} * 1000, 0)), 'UTC')
     FROM low_watermark) AS passed
SELECT
    any(source) AS source, any(destination) AS destination, any(mapping) AS mapping, delivery_id,
    any(message_id) AS message_id, any(event_type) AS event_type, any(event_name) AS event_name,
    any(app_version) AS app_version, any(received_at) AS received_at, max(calls) AS attempt,
    argMax(code, (rank, at)) AS code, argMax(message, (rank, at)) AS message,
    if(max(rank) = 0, NULL, max(due_at)) AS due_at,
    ['first attempt', 'its turn', 'retry'][max(rank) + 1] AS waits_for
FROM (
    SELECT facts.source AS source, route.destination AS destination, route.mapping AS mapping,
           route.delivery_id AS delivery_id, message_id, event_type, event_name, app_version, received_at,
           toUInt16(0) AS calls, '' AS code, '' AS message, at, due_at, 0 AS rank
    FROM facts ARRAY JOIN routes AS route
    WHERE facts.destination = '' AND kind = 'received' AND received_at >= greatest(first, passed) AND received_at < end
      AND ({source:String} = '' OR source = {source:String})
      AND ({destination:String} = '' OR route.destination = {destination:String})
    UNION ALL
    SELECT source, destination, mapping, delivery_id, message_id, event_type, event_name, app_version, received_at,
           attempt, code, message, at, due_at, if(kind = 'attempt_failed', 2, 1)
    FROM undelivered
    WHERE kind IN ('attempt_failed', 'spilled') AND received_at >= first AND received_at < end
      AND ({source:String} = '' OR source = {source:String})
      AND ({destination:String} = '' OR destination = {destination:String})
      AND delivery_id IN (
          SELECT delivery_id FROM undelivered
          WHERE kind IN ('attempt_failed', 'spilled') AND received_at >= first AND received_at < end
            AND (due_at >= passed OR received_at >= passed))
)
WHERE delivery_id NOT IN (
    -- Outcomes of what was received after the watermark, and of what is due after it; both found by the key of facts.
    SELECT delivery_id FROM facts
    WHERE destination != '' AND received_at >= greatest(first, passed) AND received_at < end
      AND kind = 'outcome' AND count = 1
    UNION ALL
    SELECT delivery_id FROM facts
    WHERE kind = 'outcome' AND count = 1
      AND (destination, toStartOfHour(received_at), delivery_id) IN (
          SELECT destination, toStartOfHour(received_at), delivery_id FROM undelivered
          WHERE kind IN ('attempt_failed', 'spilled') AND received_at >= first AND received_at < end
            AND due_at >= passed))
GROUP BY delivery_id;

-- error_groups: as in 011.
CREATE OR REPLACE VIEW error_groups AS
SELECT source, destination, code, error_group, count() AS attempts, uniqExact(delivery_id) AS deliveries,
       min(undelivered.at) AS first_seen, max(undelivered.at) AS last_seen,
       -- The newest; of one millisecond, the last in the log.
       argMax(message, toUnixTimestamp64Milli(undelivered.at) * 1048576 + log_offset % 1048576) AS message
FROM undelivered FINAL
WHERE kind IN ('attempt_failed', 'outcome') AND count = 1
  AND toStartOfHour(undelivered.at) >= toStartOfHour(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
  AND undelivered.at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND undelivered.at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
GROUP BY source, destination, code, error_group
ORDER BY attempts DESC, source, destination, code, error_group
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- delivery_errors: as in 011, with what the destinations said.
-- messages: a recent one of each of the five largest groups of similar messages of the destination and code, over calls
-- that were tried again too; message_attempts: how many calls failed so.
CREATE OR REPLACE VIEW delivery_errors AS
WITH
    fromUnixTimestamp64Milli(intDiv({from_ms:Int64}, 60000) * 60000, 'UTC') AS first,
    fromUnixTimestamp64Milli(intDiv({to_ms:Int64} + 59999, 60000) * 60000, 'UTC') AS end
SELECT
    errors.state AS state, errors.destination AS destination, errors.code AS code,
    reasons.severity AS severity, reasons.owner AS owner, reasons.retryable AS retryable,
    if(reasons.description != '', reasons.description,
       if(match(errors.code, '^[0-9]{3}$'), concat('The destination answered with HTTP status ', errors.code, '.'), ''))
        AS description,
    reasons.action AS action, reasons.link AS link,
    errors.deliveries AS deliveries,
    errors.deliveries / sum(errors.deliveries) OVER () AS share,
    multiIf(state = 'discarded', said.discarded.3, state = 'expired', said.expired.3, errors.message) AS message,
    multiIf(state = 'awaiting_retry', errors.first_at, said.discarded.1 > 0 AND state = 'discarded', said.discarded.1,
            said.expired.1 > 0 AND state = 'expired', said.expired.1, NULL) AS first_seen,
    multiIf(state = 'awaiting_retry', errors.last_at, said.discarded.1 > 0 AND state = 'discarded', said.discarded.2,
            said.expired.1 > 0 AND state = 'expired', said.expired.2, NULL) AS last_seen,
    said.messages AS messages, said.message_attempts AS message_attempts
FROM (
    SELECT status AS state, destination, code, sum(count) AS deliveries, '' AS message,
           toDateTime64(0, 3, 'UTC') AS first_at, toDateTime64(0, 3, 'UTC') AS last_at
    FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = 0)
    WHERE status IN ('discarded', 'expired')
    GROUP BY state, destination, code
    HAVING deliveries > 0
    UNION ALL
    SELECT 'awaiting_retry', destination, code, toInt64(count()), argMaxIf(message, received_at, message != ''),
           min(received_at), max(received_at)
    FROM pending_deliveries(
        from_ms = intDiv({from_ms:Int64}, 60000) * 60000, to_ms = intDiv({to_ms:Int64} + 59999, 60000) * 60000,
        source = {source:String}, destination = {destination:String}, settle_seconds = 120)
    WHERE waits_for != 'first attempt'
    GROUP BY destination, code
) AS errors
LEFT JOIN (
    SELECT destination, code,
           (minIf(d.1, d.2 > 0), max(d.2), argMax(d.3, d.2)) AS discarded,
           (minIf(e.1, e.2 > 0), max(e.2), argMax(e.3, e.2)) AS expired,
           arraySlice(arrayReverseSort(groupArrayIf((n, words), words != '')), 1, 5) AS largest,
           largest.2 AS messages, largest.1 AS message_attempts
    FROM (
        -- The newest message; of one millisecond, the last in the log.
        WITH toUnixTimestamp64Milli(at) * 1048576 + log_offset % 1048576 AS place
        SELECT destination, code, error_group, count() AS n, argMaxIf(message, place, message != '') AS words,
               (minIf(at, state = 'discarded'), maxIf(at, state = 'discarded'),
                argMaxIf(message, place, message != '' AND state = 'discarded')) AS d,
               (minIf(at, state = 'expired'), maxIf(at, state = 'expired'),
                argMaxIf(message, place, message != '' AND state = 'expired')) AS e
        FROM undelivered FINAL
        WHERE kind IN ('attempt_failed', 'outcome') AND count = 1
          AND toStartOfHour(at) >= toStartOfHour(first) AND at >= first AND at < end
          AND ({source:String} = '' OR source = {source:String})
          AND ({destination:String} = '' OR destination = {destination:String})
        GROUP BY destination, code, error_group
    )
    GROUP BY destination, code
) AS said ON said.destination = errors.destination AND said.code = errors.code
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = errors.code
ORDER BY deliveries DESC, state, destination, code
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- error_details: the rows of delivery_errors, under the name that pages call them by.
CREATE OR REPLACE VIEW error_details AS
SELECT state, destination, code, severity, owner, retryable, description, action, link, deliveries, share, message,
       first_seen, last_seen, messages, message_attempts
FROM delivery_errors(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                     destination = {destination:String});

-- step_series: as in 010; by_attempt and retry_count are of successful_delivery.
CREATE OR REPLACE VIEW step_series AS
WITH if({step_seconds:UInt32} = 0, 4294967296, greatest({step_seconds:UInt32}, 60)) AS width
SELECT
    toDateTime(intDiv(toUnixTimestamp(c.at), width) * width, 'UTC') AS bucket, c.step AS step,
    if(has({by:Array(String)}, 'source'), c.source, '') AS source,
    if(has({by:Array(String)}, 'mapping'), c.mapping, '') AS mapping,
    if(has({by:Array(String)}, 'event_type'), c.event_type, '') AS event_type,
    if(has({by:Array(String)}, 'event_name'), c.event_name, '') AS event_name,
    if(has({by:Array(String)}, 'app_version'), c.app_version, '') AS app_version,
    if(has({by:Array(String)}, 'code'), c.code, '') AS code,
    sum(c.count) AS count,
    sumMapIf(c.by_attempt, c.step = 'successful_delivery') AS by_attempt,
    arraySum(mapValues(mapFilter((attempt, n) -> attempt > 1, by_attempt))) AS retry_count
FROM step_counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                 destination = {destination:String}, step_seconds = {step_seconds:UInt32}) AS c
WHERE {step:String} IN ('', c.step)
GROUP BY bucket, step, source, mapping, event_type, event_name, app_version, code
HAVING count != 0
ORDER BY bucket, step, source, mapping, event_type, event_name, app_version, code;

-- prior_outcomes: as in 007, with the number of calls made.
CREATE OR REPLACE VIEW prior_outcomes AS
SELECT delivery_id, state, code, at, attempt
FROM facts FINAL
WHERE destination IN {destinations:Array(String)}
  AND received_at >= fromUnixTimestamp64Milli({first_received_ms:Int64}, 'UTC')
  AND received_at <= fromUnixTimestamp64Milli({last_received_ms:Int64}, 'UTC')
  AND delivery_id IN {delivery_ids:Array(String)}
  AND kind IN ('outcome', 'redrive_outcome')
  AND log_partition = {log_partition:UInt16} AND log_offset < {before_offset:UInt64}
GROUP BY delivery_id, state, code, at, attempt
HAVING sum(count) > 0
SETTINGS do_not_merge_across_partitions_select_final = 1;
