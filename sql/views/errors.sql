-- What was not delivered and why, the messages of destinations, and samples. Facts are read without FINAL where
-- repeated rows are alike and the log position identifies them. Table reasons explains codes, including every HTTP
-- status; its row UNKNOWN explains all others.

-- error_details: one row per state, destination and code; counted in deliveries, not attempts; most first.
-- discarded and expired: outcomes in the period (whole minutes, as in delivery_metrics, with which they agree).
-- awaiting_retry: received in the period, attempted or requeued at least once, and pending (pending_deliveries); the
-- code is that of the last failed attempt, or of the last requeue if there was none.
-- share: of all rows shown. first_seen and last_seen: in the period; of awaiting_retry when the oldest and the newest
-- of them was received; NULL if unknown. For the messages of destinations query error_messages.
CREATE VIEW error_details AS
SELECT
    errors.state AS state, errors.destination AS destination, errors.code AS code,
    reasons.severity AS severity, reasons.owner AS owner, reasons.retryable AS retryable,
    reasons.description AS description, reasons.action AS action, reasons.link AS link,
    errors.deliveries AS deliveries,
    errors.deliveries / sum(errors.deliveries) OVER () AS share,
    if(errors.last_at > 0, errors.first_at, NULL) AS first_seen,
    if(errors.last_at > 0, errors.last_at, NULL) AS last_seen
FROM (
    SELECT status AS state, destination, code, sum(count) AS deliveries,
           minIf(t.first_at, t.first_at > 0) AS first_at, max(t.last_at) AS last_at
    FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = 0) AS t
    WHERE status IN ('discarded', 'expired')
    GROUP BY state, destination, code
    HAVING deliveries > 0
    UNION ALL
    SELECT 'awaiting_retry', destination, code, toInt64(count()), min(received_at), max(received_at)
    FROM pending_retries(
        from_ms = intDiv({from_ms:Int64}, 60000) * 60000, to_ms = intDiv({to_ms:Int64} + 59999, 60000) * 60000,
        source = {source:String}, destination = {destination:String}, settle_seconds = 120)
    GROUP BY destination, code
) AS errors
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons
    ON reasons.code = if(errors.code IN (SELECT code FROM reasons), errors.code, 'UNKNOWN')
ORDER BY deliveries DESC, state, destination, code
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- error_messages: messages of destinations in the period, also of calls that were retried: a recent message of each
-- group of similar ones; for each destination and code the `limit` largest groups. attempts: how many calls failed this
-- way. Whole hours come from error_hours as far as hours are built, the rest from undelivered, as in totals.
CREATE VIEW error_messages AS
WITH
    toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS first_minute,
    toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60, 'UTC') AS end_minute,
    toDateTime(intDiv({from_ms:Int64} + 3599999, 3600000) * 3600, 'UTC') AS first_hour,
    (SELECT mapFromArrays(groupArray(log_partition), groupArray((end, through)))
     FROM (SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(error_hours.through) AS through
           FROM error_hours GROUP BY log_partition)) AS built,
    least(toDateTime(intDiv({to_ms:Int64} + 59999, 3600000) * 3600, 'UTC'), arrayMin(mapValues(built).1)) AS end_hour
SELECT destination, code, argMax(words, place) AS message, sum(n) AS attempts
FROM (
    SELECT destination, code, error_group, attempts AS n, message AS words,
           toUnixTimestamp64Milli(last_at) * 65536 + log_partition AS place
    FROM error_hours FINAL
    WHERE hour >= first_hour AND hour < end_hour AND error_hours.message != ''
      AND ({source:String} = '' OR source = {source:String})
      AND ({destination:String} = '' OR destination = {destination:String})
    UNION ALL
    SELECT destination, code, error_group, toUInt64(1), message, toUnixTimestamp64Milli(at) * 65536 + log_partition
    FROM undelivered FINAL
    WHERE (kind = 'attempt_failed' OR state IN ('discarded', 'expired')) AND count = 1 AND undelivered.message != ''
      AND toStartOfHour(at) >= toStartOfHour(first_minute) AND at >= first_minute AND at < end_minute
      AND (at < first_hour OR at >= end_hour
           OR appended_at >= arrayMin(mapValues(built).2) + 60
              AND appended_at >= built[log_partition].2 + 60)
      AND ({source:String} = '' OR source = {source:String})
      AND ({destination:String} = '' OR destination = {destination:String})
)
GROUP BY destination, code, error_group
ORDER BY attempts DESC, destination, code, message
LIMIT {limit:UInt32} BY destination, code
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- error_groups: messages of failed attempts and of undelivered outcomes in [from_ms, to_ms), similar ones grouped; most
-- first. attempts: calls that failed this way; deliveries: deliveries affected. 'other': beyond 20 groups of a
-- connection and day.
CREATE VIEW error_groups AS
SELECT source, destination, code, error_group, count() AS attempts, uniqExact(delivery_id) AS deliveries,
       min(undelivered.at) AS first_seen, max(undelivered.at) AS last_seen,
       -- The newest message; within one millisecond, the last in the log.
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

-- error_trend: one code over time: deliveries that ended with it, and failed calls with it that were followed by a
-- wait; a row for every bucket, oldest first, at most 11,000. code '' for all. step_seconds must not be 0.
CREATE VIEW error_trend AS
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

-- error_samples: the newest samples of each state, destination and code, `limit` of each; columns as in
-- delivery_samples. For expandable rows of error_details. code: '' for all.
-- Payloads are large, so the query locates the samples before it reads them: a projection gives the hours that have
-- any; the newest of these hours give the times (one more than `limit`, because the last hour may have none before the
-- end of the period); then the samples of these times are read.
CREATE VIEW error_samples AS
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

-- delivery_samples: redacted payloads of attempts in the period, newest first; code '' for all, limit: maximum rows.
-- batch_items: number of deliveries that share the response; 0: only this one. Without test events.
CREATE VIEW delivery_samples AS
SELECT at, source, destination, mapping, message_id, event_type, event_name, delivery_id, attempt, attempt_id, state,
       code, message, batch_items, redrive, event, request, response
FROM samples FINAL
WHERE state != 'test'
  AND at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
  AND ({code:String} = '' OR code = {code:String})
ORDER BY at DESC, log_partition, log_offset
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- rejections: items that ingest refused in [from_ms, to_ms), by source and code; most first. Their sum is rejected of
-- ingest_by_source. Source '': without a known write key. message: the last error text sent to the sender;
-- message_ids: of the latest items that have one, at most five, newest first.
CREATE VIEW rejections AS
SELECT
    refused.source AS source, refused.code AS code, refused.n AS items, refused.words AS message,
    refused.message_ids AS message_ids, refused.first_seen AS first_seen, refused.last_seen AS last_seen,
    reasons.description AS description, reasons.action AS action, reasons.owner AS owner
FROM (
    SELECT source, code, sum(count * toInt64(items)) AS n, argMax(facts.message, (at, log_offset)) AS words,
           arrayMap(newest -> newest.2, groupArraySortedIf(5)(
               (-toUnixTimestamp64Milli(at), message_id), message_id != '')) AS message_ids,
           min(at) AS first_seen, max(at) AS last_seen
    FROM facts FINAL
    WHERE destination = '' AND kind = 'rejected'
      AND received_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
      AND received_at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
      AND ({source:String} = '' OR source = {source:String})
    GROUP BY source, code
) AS refused
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = refused.code
ORDER BY items DESC, source, code
SETTINGS do_not_merge_across_partitions_select_final = 1;
