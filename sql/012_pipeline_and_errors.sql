-- The pipeline as people look at it, and error details: what did not arrive and why. Parameters, and the endings
-- _before and _change_…, as in 011; code: one reason, '' for all. Facts are read without FINAL: rows of one log
-- position are alike, and are told apart by it.

-- funnel: always seven rows, in the order of the pipeline: the steps of step_counts, and pending_retry before the
-- failed. unit: events or deliveries, see step_counts. What adds up, once all events of the period are settled in it:
--   successfully_received = filtered_at_source + events routed    (accepted, duplicates, routed_events: ingest_balance)
--   filtered_at_destination + pending_retry + failed_delivery + successful_delivery = deliveries routed       (balance)
-- share: of events, of what arrived at ingest (received and failed); of deliveries, of the outcomes.
-- pending_retry is how many of the period's events wait now, at the first call or a later one: no outcome, so no share,
-- and nothing before.
CREATE VIEW IF NOT EXISTS funnel AS
WITH
    ['successfully_received', 'failed_on_ingest', 'filtered_at_source', 'filtered_at_destination', 'pending_retry',
     'failed_delivery', 'successful_delivery'] AS steps,
    ['Successfully received', 'Failed on ingest', 'Filtered at source', 'Filtered at destination', 'Pending retry',
     'Failed delivery', 'Successful delivery'] AS labels
SELECT
    position, steps[position] AS step, labels[position] AS label, if(position <= 3, 'events', 'deliveries') AS unit,
    if(step = 'pending_retry', toInt64(waiting), n) AS count,
    if(step = 'pending_retry', NULL, n_before) AS count_before,
    if(count_before > 0, 100 * (count - count_before) / count_before, NULL) AS change_percent,
    if(step = 'pending_retry' OR whole <= 0, NULL, n / whole) AS share,
    if(step = 'pending_retry' OR whole_before <= 0, NULL, n_before / whole_before) AS share_before,
    100 * (share - share_before) AS share_change_points
FROM (
    SELECT
        toUInt8(counted.position) AS position, sum(counted.now) AS n, sum(counted.before) AS n_before,
        sum(counted.waiting) AS waiting,
        sumIf(n, position != 3) OVER (PARTITION BY position <= 3) AS whole,
        sumIf(n_before, position != 3) OVER (PARTITION BY position <= 3) AS whole_before
    FROM (
        SELECT indexOf(steps, step) AS position, count AS now, toInt64(0) AS before, toUInt64(0) AS waiting
        FROM step_counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                         destination = {destination:String}, step_seconds = 0)
        UNION ALL
        SELECT indexOf(steps, step), toInt64(0), count, toUInt64(0)
        FROM step_counts(
            from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000)) * 60000,
            to_ms = intDiv({from_ms:Int64}, 60000) * 60000,
            source = {source:String}, destination = {destination:String}, step_seconds = 0)
        UNION ALL
        SELECT toUInt64(5), toInt64(0), toInt64(0), count()
        FROM pending_deliveries(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                                destination = {destination:String}, settle_seconds = {settle_seconds:UInt32})
        UNION ALL
        SELECT toUInt64(arrayJoin(range(1, 8))), toInt64(0), toInt64(0), toUInt64(0)
    ) AS counted
    GROUP BY position
)
ORDER BY position;

-- breakdown: the events or deliveries of one step by event_type, event_name or app_version; most first, `limit` rows.
-- code: only those with that reason, '' for all. count, share (of all the step's) and change are of the step;
-- delivered, not_delivered, filtered, pending, success_rate and p95_latency_ms are of the same value, whatever the step
-- and code. Rejected items have an event type alone. '(other)': names and versions past the bound on series of a
-- minute.
CREATE VIEW IF NOT EXISTS breakdown AS
WITH index -> toUInt64(round(2 * pow(1.005 / 0.995, index) / (1.005 / 0.995 + 1))) AS value_ms
SELECT
    value, count, if(whole > 0, count / whole, NULL) AS share, count_before,
    if(count_before > 0, 100 * (count - count_before) / count_before, NULL) AS change_percent,
    100 * (share - if(whole_before > 0, count_before / whole_before, NULL)) AS share_change_points,
    delivered, not_delivered, filtered, pending,
    if(delivered + not_delivered <= 0, NULL, delivered / (delivered + not_delivered)) AS success_rate,
    if(empty(latencies), NULL, value_ms(arrayReduce('quantileExactWeighted(0.95)', mapKeys(latencies),
        arrayMap(n -> toUInt64(n), mapValues(latencies))))) AS p95_latency_ms
FROM (
    SELECT
        value,
        sumIf(n, period = 'now' AND is_chosen) AS count, sumIf(n, period = 'before' AND is_chosen) AS count_before,
        sumIf(n, period = 'now' AND step = 'successful_delivery') AS delivered,
        sumIf(n, period = 'now' AND step = 'failed_delivery') AS not_delivered,
        sumIf(n, period = 'now' AND step = 'filtered_at_destination') AS filtered,
        sumIf(n, step = 'pending_retry') AS pending,
        mapFilter((index, n) -> n > 0, sumMapIf(latency, period = 'now')) AS latencies,
        sum(count) OVER () AS whole, sum(count_before) OVER () AS whole_before
    FROM (
        SELECT
            period, step, n, latency,
            step = {step:String} AND ({code:String} = '' OR code = {code:String}) AS is_chosen,
            throwIf({by:String} NOT IN ('event_type', 'event_name', 'app_version'),
                    'by must be event_type, event_name or app_version') AS is_refused,
            multiIf(is_refused = 1, '', {by:String} = 'event_type', event_type, {by:String} = 'event_name', event_name,
                    app_version) AS value
        FROM (
            SELECT 'now' AS period, step, event_type, event_name, app_version, code, count AS n, latency
            FROM step_counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                             destination = {destination:String}, step_seconds = 0)
            UNION ALL
            SELECT 'before', step, event_type, event_name, app_version, code, count, map()
            FROM step_counts(
                from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000))
                    * 60000,
                to_ms = intDiv({from_ms:Int64}, 60000) * 60000,
                source = {source:String}, destination = {destination:String}, step_seconds = 0)
            WHERE step = {step:String}
            UNION ALL
            SELECT 'now', 'pending_retry', event_type, event_name, app_version, code, toInt64(1), map()
            FROM pending_deliveries(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                                    destination = {destination:String}, settle_seconds = {settle_seconds:UInt32})
        )
    )
    GROUP BY value
    HAVING count != 0 OR count_before != 0
)
ORDER BY count DESC, count_before DESC, value
LIMIT {limit:UInt32};

-- discard_breakdown: why events and deliveries stopped: one row per step and code; most first. step: one of
-- failed_on_ingest, filtered_at_source, filtered_at_destination and failed_delivery, '' for all of them.
-- The code of events filtered at the source is DUPLICATE. share: of the step's. first_seen and last_seen:
-- the minute or, in whole hours inside the period, the hour.
CREATE VIEW IF NOT EXISTS discard_breakdown AS
SELECT
    d.step AS step, d.code AS code, d.count AS count,
    if(d.whole > 0, d.count / d.whole, NULL) AS share, d.count_before AS count_before,
    if(d.count_before > 0, 100 * (d.count - d.count_before) / d.count_before, NULL) AS change_percent,
    100 * (share - if(d.whole_before > 0, d.count_before / d.whole_before, NULL)) AS share_change_points,
    reasons.severity AS severity, reasons.owner AS owner,
    multiIf(reasons.description != '', reasons.description,
            d.code = 'DUPLICATE', 'An event with the same messageId was received within the 24 hours before.',
            match(d.code, '^[0-9]{3}$'), concat('The destination answered with HTTP status ', d.code, '.'), '')
        AS description,
    reasons.action AS action, reasons.link AS link, d.first_seen AS first_seen, d.last_seen AS last_seen
FROM (
    SELECT
        step, if(step = 'filtered_at_source', 'DUPLICATE', code) AS code,
        sumIf(n, is_now) AS count, sumIf(n, NOT is_now) AS count_before,
        if(countIf(is_now) > 0, minIf(at, is_now), NULL) AS first_seen,
        if(countIf(is_now) > 0, maxIf(at, is_now), NULL) AS last_seen,
        sum(count) OVER (PARTITION BY step) AS whole, sum(count_before) OVER (PARTITION BY step) AS whole_before
    FROM (
        SELECT true AS is_now, at, step, code, count AS n
        FROM step_counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                         destination = {destination:String}, step_seconds = 0)
        UNION ALL
        SELECT false, at, step, code, count
        FROM step_counts(
            from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000)) * 60000,
            to_ms = intDiv({from_ms:Int64}, 60000) * 60000,
            source = {source:String}, destination = {destination:String}, step_seconds = 0)
    )
    WHERE step IN ('failed_on_ingest', 'filtered_at_source', 'filtered_at_destination', 'failed_delivery')
      AND {step:String} IN ('', step)
    GROUP BY step, code
    HAVING count != 0 OR count_before != 0
) AS d
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = d.code
ORDER BY count DESC, count_before DESC, step, code;

-- error_groups: as in 007: messages of failed attempts and of undelivered outcomes in [from_ms, to_ms), similar ones
-- joined; most first.
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

-- error_details: one row per state, destination and code; counted in deliveries, not attempts; most first.
-- discarded and expired: outcomes in the period (whole minutes, as in delivery_metrics, with which they agree).
-- awaiting_retry: received in the period, tried or put back at least once, and pending (pending_deliveries); the code
-- is that of the last failed attempt, or of the last putting back if there was none.
-- share: of all rows shown. message: the destination's own words, a recent one. first_seen and last_seen: in the
-- period, of awaiting_retry when the oldest and the newest of them was received; NULL when the facts are past their
-- retention.
-- messages: a recent one of each of the five largest groups of similar messages of the destination and code, over calls
-- that were tried again too; message_attempts: how many calls failed so. From error_hours where hours are built, the
-- edges from undelivered: as totals, which see.
CREATE VIEW IF NOT EXISTS error_details AS
WITH
    toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS first_minute,
    toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60, 'UTC') AS end_minute,
    toDateTime(intDiv({from_ms:Int64} + 3599999, 3600000) * 3600, 'UTC') AS first_hour,
    (SELECT mapFromArrays(groupArray(log_partition), groupArray((end, through)))
     FROM (SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(error_hours.through) AS through
           FROM error_hours GROUP BY log_partition)) AS built,
    least(toDateTime(intDiv({to_ms:Int64} + 59999, 3600000) * 3600, 'UTC'), arrayMin(mapValues(built).1)) AS end_hour
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
    multiIf(state = 'awaiting_retry', errors.first_at, said.discarded.2 > 0 AND state = 'discarded', said.discarded.1,
            said.expired.2 > 0 AND state = 'expired', said.expired.1, NULL) AS first_seen,
    multiIf(state = 'awaiting_retry', errors.last_at, said.discarded.2 > 0 AND state = 'discarded', said.discarded.2,
            said.expired.2 > 0 AND state = 'expired', said.expired.2, NULL) AS last_seen,
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
        SELECT destination, code, error_group, sum(attempts) AS n, argMaxIf(message, last, message != '') AS words,
               (minIf(first, state = 'discarded'), maxIf(last, state = 'discarded'),
                argMaxIf(message, last, message != '' AND state = 'discarded')) AS d,
               (minIf(first, state = 'expired'), maxIf(last, state = 'expired'),
                argMaxIf(message, last, message != '' AND state = 'expired')) AS e
        FROM (
            SELECT destination, code, error_group, state, sum(attempts) AS attempts, min(first_at) AS first,
                   max(last_at) AS last,
                   argMax(message, toUnixTimestamp64Milli(last_at) * 65536 + log_partition) AS message
            FROM (
                SELECT destination, code, error_group, state, attempts, first_at, last_at, log_partition, message
                FROM error_hours FINAL
                WHERE hour >= first_hour AND hour < end_hour AND destination != ''
                  AND ({source:String} = '' OR source = {source:String})
                  AND ({destination:String} = '' OR destination = {destination:String})
                UNION ALL
                SELECT destination, code, error_group, state, toUInt64(1), at, at, log_partition, message
                FROM undelivered FINAL
                WHERE kind IN ('attempt_failed', 'outcome') AND count = 1
                  AND toStartOfHour(at) >= toStartOfHour(first_minute) AND at >= first_minute AND at < end_minute
                  AND (at < first_hour OR at >= end_hour
                       OR appended_at >= arrayMin(mapValues(built).2) + 60
                          AND appended_at >= built[log_partition].2 + 60)
                  AND ({source:String} = '' OR source = {source:String})
                  AND ({destination:String} = '' OR destination = {destination:String})
            )
            GROUP BY destination, code, error_group, state
        )
        GROUP BY destination, code, error_group
    )
    GROUP BY destination, code
) AS said ON said.destination = errors.destination AND said.code = errors.code
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = errors.code
ORDER BY deliveries DESC, state, destination, code
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- delivery_errors: error_details by its older name.
CREATE OR REPLACE VIEW delivery_errors AS
SELECT state, destination, code, severity, owner, retryable, description, action, link, deliveries, share, message,
       first_seen, last_seen, messages, message_attempts
FROM error_details(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                   destination = {destination:String});

-- error_samples: the newest samples of each state, destination and code, `limit` of each; columns as of
-- delivery_samples. For rows of error_details that open. code: '' for all.
-- Where they stand is found first: payloads are large, and only those shown are read. To put numbers in order takes a
-- third of the time of rows, so a place is one number: the time, and how many hours before the event was received. One
-- is added to these, because clocks may disagree.
CREATE VIEW IF NOT EXISTS error_samples AS
SELECT at, source, destination, mapping, message_id, event_type, event_name, delivery_id, attempt, attempt_id, state,
       code, message, batch_items, redrive, event, request, response
FROM samples FINAL
PREWHERE (destination, code, toStartOfHour(received_at), state, at) IN (
    SELECT destination, code, toStartOfHour(happened) - toIntervalHour(place % 1024 - 1), state, happened
    FROM (
        SELECT destination, code, state,
               -arrayJoin(groupArraySorted({limit:UInt32})(
                   -1024 * toUnixTimestamp64Milli(at)
                   - least(1023, greatest(0, dateDiff('hour', received_at, at) + 1)))) AS place,
               fromUnixTimestamp64Milli(intDiv(place, 1024), 'UTC') AS happened
        FROM samples FINAL
        WHERE state IN ('discarded', 'expired', 'awaiting_retry')
          AND at >= fromUnixTimestamp64Milli(intDiv({from_ms:Int64}, 60000) * 60000, 'UTC')
          AND at < fromUnixTimestamp64Milli(intDiv({to_ms:Int64} + 59999, 60000) * 60000, 'UTC')
          AND ({source:String} = '' OR source = {source:String})
          AND ({destination:String} = '' OR destination = {destination:String})
          AND ({code:String} = '' OR code = {code:String})
        GROUP BY destination, code, state))
WHERE {source:String} = '' OR source = {source:String}
ORDER BY destination, code, state, at DESC, log_partition, log_offset
LIMIT {limit:UInt32} BY destination, code, state
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- error_trend: one code over time: deliveries that ended with it and calls that failed with it and were waited after; a
-- row for every bucket, oldest first, at most 11,000. code '' for all. step_seconds must not be 0.
CREATE VIEW IF NOT EXISTS error_trend AS
WITH greatest({step_seconds:UInt32}, 60) AS width
SELECT buckets.bucket AS bucket, found.discarded AS discarded, found.expired AS expired,
       found.discarded + found.expired AS not_delivered, found.attempts_failed AS attempts_failed
FROM (
    SELECT
        toUInt64(intDiv(intDiv({from_ms:Int64}, 1000), width) * width) AS first,
        toUInt64(intDiv({to_ms:Int64} + 59999, 60000) * 60) AS end,
        throwIf(intDiv(toInt64(end) - toInt64(first), width) > 11000,
                'more than 11000 buckets: choose a larger step_seconds or a shorter period') AS too_many,
        toDateTime(arrayJoin(range(first, if(too_many = 0, end, first), width)), 'UTC') AS bucket
) AS buckets
LEFT JOIN (
    SELECT toDateTime(intDiv(toUnixTimestamp(at), width) * width, 'UTC') AS bucket,
           sumIf(count, status = 'discarded') AS discarded, sumIf(count, status = 'expired') AS expired,
           sumIf(count, status = 'attempt_failed') AS attempts_failed
    FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = greatest({step_seconds:UInt32}, 60))
    WHERE {code:String} IN ('', code)
    GROUP BY bucket
) AS found ON found.bucket = buckets.bucket
ORDER BY bucket;
