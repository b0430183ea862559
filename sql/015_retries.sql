-- What waits for a retry, found by one scan of `undelivered`: how deliveries ended that had to wait is in it, too. And
-- errors as in 012, read in fewer steps.

-- undelivered: the facts of deliveries that did not arrive at the first call: failed calls, puttings back, and the
-- outcomes of these and of all that were discarded or expired. due_at of an outcome: what it was to wait for last; 1970
-- if it never waited.
ALTER TABLE undelivered_of_facts MODIFY QUERY
SELECT kind, correction, count, log_partition, log_offset, appended_at, at, source, destination, mapping, message_id,
       event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts
WHERE destination != ''
  AND (kind IN ('attempt_failed', 'spilled')
       OR kind = 'outcome' AND (state IN ('discarded', 'expired') OR due_at > 0 OR attempt > 1));

-- What was recorded before this migration.
INSERT INTO undelivered
SELECT kind, correction, count, log_partition, log_offset, appended_at, at, source, destination, mapping, message_id,
       event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts FINAL
WHERE destination != '' AND kind = 'outcome' AND state NOT IN ('discarded', 'expired')
  AND (destination, toStartOfHour(received_at), delivery_id) IN (
      SELECT destination, toStartOfHour(received_at), delivery_id FROM undelivered
      WHERE kind IN ('attempt_failed', 'spilled'));

-- Which hours have samples of an error is told by this, without reading their rows (error_samples).
ALTER TABLE samples MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';
ALTER TABLE samples ADD PROJECTION IF NOT EXISTS sampled_hours (
    SELECT toStartOfHour(at), destination, code, state, source, count()
    GROUP BY toStartOfHour(at), destination, code, state, source
);
ALTER TABLE samples MATERIALIZE PROJECTION sampled_hours;

-- pending_retries: those of pending_deliveries that were tried or put back before.
CREATE VIEW IF NOT EXISTS pending_retries AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end,
    (SELECT fromUnixTimestamp64Milli(greatest(0, ifNull(watermark_ms - {settle_seconds:UInt32} * 1000, 0)), 'UTC')
     FROM low_watermark) AS passed,
    -- All that is said of a delivery stands at the time its event was received.
    (SELECT minOrNull(received_at) FROM undelivered
     WHERE received_at >= first AND received_at < end AND (due_at >= passed OR received_at >= passed)) AS earliest
SELECT
    any(u.source) AS source, any(u.destination) AS destination, any(u.mapping) AS mapping, delivery_id,
    any(u.message_id) AS message_id, any(u.event_type) AS event_type, any(u.event_name) AS event_name,
    any(u.app_version) AS app_version, any(u.received_at) AS received_at, max(u.attempt) AS attempt,
    argMax(u.code, (u.kind = 'attempt_failed', u.at)) AS code,
    argMax(u.message, (u.kind = 'attempt_failed', u.at)) AS message,
    max(u.due_at) AS due_at, if(max(u.kind = 'attempt_failed'), 'retry', 'its turn') AS waits_for
FROM undelivered AS u
WHERE u.received_at >= earliest AND u.received_at < end
  AND ({source:String} = '' OR u.source = {source:String})
  AND ({destination:String} = '' OR u.destination = {destination:String})
GROUP BY delivery_id
HAVING countIf(u.kind = 'outcome' AND u.count = 1) = 0 AND countIf(u.kind != 'outcome') > 0
   AND (max(u.due_at) >= passed OR any(u.received_at) >= passed);

-- pending_deliveries: one row for each delivery of the events received in [from_ms, to_ms) that has no outcome and is
-- not left behind by the low watermark: balance counts as many as pending. Only what is due or was received after the
-- watermark is looked at, so this is quick however long the period is.
-- attempt: calls made so far. code and message: of the last failed call, else of the last putting back; '' before
-- either. waits_for: 'first attempt', 'retry' (a call failed), or 'its turn' (put back without a call). due_at: NULL
-- for the first.
CREATE OR REPLACE VIEW pending_deliveries AS
WITH
    greatest(
        fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'),
        (SELECT fromUnixTimestamp64Milli(greatest(0, ifNull(watermark_ms - {settle_seconds:UInt32} * 1000, 0)), 'UTC')
         FROM low_watermark)) AS since,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end
SELECT source, destination, mapping, delivery_id, message_id, event_type, event_name, app_version, received_at, attempt,
       code, message, toNullable(due_at) AS due_at, waits_for
FROM pending_retries(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                     destination = {destination:String}, settle_seconds = {settle_seconds:UInt32})
UNION ALL
SELECT any(facts.source), any(route.destination), any(route.mapping), route.delivery_id, any(message_id),
       any(event_type), any(event_name), any(app_version), any(received_at), toUInt16(0), '', '', NULL, 'first attempt'
FROM facts ARRAY JOIN routes AS route
WHERE facts.destination = '' AND kind = 'received' AND received_at >= since AND received_at < end
  AND ({source:String} = '' OR facts.source = {source:String})
  AND ({destination:String} = '' OR route.destination = {destination:String})
  AND route.delivery_id NOT IN (
      SELECT delivery_id FROM facts
      WHERE destination != '' AND kind IN ('attempt_failed', 'spilled', 'outcome')
        AND received_at >= since AND received_at < end)
GROUP BY route.delivery_id;

-- error_groups: as in 012.
CREATE OR REPLACE VIEW error_groups AS
SELECT source, destination, code, error_group, count() AS attempts, uniqExact(delivery_id) AS deliveries,
       min(undelivered.at) AS first_seen, max(undelivered.at) AS last_seen,
       -- The newest; of one millisecond, the last in the log.
       argMax(message, toUnixTimestamp64Milli(undelivered.at) * 1048576 + log_offset % 1048576) AS message
FROM undelivered FINAL
WHERE (kind = 'attempt_failed' OR state IN ('discarded', 'expired')) AND count = 1
  AND toStartOfHour(undelivered.at) >= toStartOfHour(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
  AND undelivered.at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND undelivered.at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
GROUP BY source, destination, code, error_group
ORDER BY attempts DESC, source, destination, code, error_group
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- error_details: as in 012.
CREATE OR REPLACE VIEW error_details AS
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
    FROM pending_retries(
        from_ms = intDiv({from_ms:Int64}, 60000) * 60000, to_ms = intDiv({to_ms:Int64} + 59999, 60000) * 60000,
        source = {source:String}, destination = {destination:String}, settle_seconds = 120)
    GROUP BY destination, code
) AS errors
LEFT JOIN (
    SELECT destination, code,
           (minIf(d.1, d.2 > 0), max(d.2), argMax(d.3, d.2)) AS discarded,
           (minIf(e.1, e.2 > 0), max(e.2), argMax(e.3, e.2)) AS expired,
           arraySlice(arrayReverseSort(groupArrayIf((n, words), words != '')), 1, 5) AS largest,
           largest.2 AS messages, largest.1 AS message_attempts
    FROM (
        SELECT destination, code, error_group, sum(attempts) AS n, argMaxIf(message, place, message != '') AS words,
               (minIf(first_at, state = 'discarded'), maxIf(last_at, state = 'discarded'),
                argMaxIf(message, place, message != '' AND state = 'discarded')) AS d,
               (minIf(first_at, state = 'expired'), maxIf(last_at, state = 'expired'),
                argMaxIf(message, place, message != '' AND state = 'expired')) AS e
        FROM (
            SELECT destination, code, error_group, state, attempts, first_at, last_at, message,
                   toUnixTimestamp64Milli(last_at) * 65536 + log_partition AS place
            FROM error_hours FINAL
            WHERE hour >= first_hour AND hour < end_hour AND destination != ''
              AND ({source:String} = '' OR source = {source:String})
              AND ({destination:String} = '' OR destination = {destination:String})
            UNION ALL
            SELECT destination, code, error_group, state, toUInt64(1), at, at, message,
                   toUnixTimestamp64Milli(at) * 65536 + log_partition
            FROM undelivered FINAL
            WHERE (kind = 'attempt_failed' OR state IN ('discarded', 'expired')) AND count = 1
              AND toStartOfHour(at) >= toStartOfHour(first_minute) AND at >= first_minute AND at < end_minute
              AND (at < first_hour OR at >= end_hour
                   OR appended_at >= arrayMin(mapValues(built).2) + 60
                      AND appended_at >= built[log_partition].2 + 60)
              AND ({source:String} = '' OR source = {source:String})
              AND ({destination:String} = '' OR destination = {destination:String})
        )
        GROUP BY destination, code, error_group
    )
    GROUP BY destination, code
) AS said ON said.destination = errors.destination AND said.code = errors.code
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = errors.code
ORDER BY deliveries DESC, state, destination, code
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- error_samples: as in 012: the newest samples of each state, destination and code, `limit` of each.
-- Where they stand is found first, because payloads are large: the hours that have any, by a projection; in the newest of
-- these (the last one may have none before the period's end), the times; and then what was sampled at these times.
CREATE OR REPLACE VIEW error_samples AS
SELECT DISTINCT at, source, destination, mapping, message_id, event_type, event_name, delivery_id, attempt, attempt_id,
       state, code, message, batch_items, redrive, event, request, response
FROM samples
PREWHERE (destination, code, toStartOfHour(received_at), state, at) IN (
    SELECT DISTINCT destination, code, toStartOfHour(received_at), state, at
    FROM samples
    WHERE (destination, code, state, toStartOfHour(at)) IN (
        SELECT destination, code, state, hour
        FROM (
            SELECT destination, code, state, toStartOfHour(at) AS hour
            FROM samples
            WHERE state IN ('discarded', 'expired', 'awaiting_retry')
              AND hour >= toStartOfHour(fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC'))
              AND hour < fromUnixTimestamp64Milli(intDiv({to_ms:Int64} + 59999, 60000) * 60000, 'UTC')
              AND ({source:String} = '' OR source = {source:String})
              AND ({destination:String} = '' OR destination = {destination:String})
              AND ({code:String} = '' OR code = {code:String})
            GROUP BY destination, code, state, hour
        )
        ORDER BY hour DESC
        LIMIT {limit:UInt32} + 1 BY destination, code, state)
      AND at >= fromUnixTimestamp64Milli(intDiv({from_ms:Int64}, 60000) * 60000, 'UTC')
      AND at < fromUnixTimestamp64Milli(intDiv({to_ms:Int64} + 59999, 60000) * 60000, 'UTC')
      AND ({source:String} = '' OR source = {source:String})
    ORDER BY at DESC
    LIMIT {limit:UInt32} BY destination, code, state)
WHERE {source:String} = '' OR source = {source:String}
ORDER BY destination, code, state, at DESC, log_partition, log_offset
LIMIT {limit:UInt32} BY destination, code, state;
