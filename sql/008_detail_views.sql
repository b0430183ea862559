-- The views of 005 with what 007 added.

-- delivery_errors: one row per state, destination and code; counted in deliveries, not attempts; most first.
-- discarded and expired: outcomes in the period (whole minutes, as in delivery_metrics, with which they agree).
-- awaiting_retry: received in the period, tried or put back at least once, no outcome yet; the code is that of the last
-- failed attempt, or of the last putting back if there was none.
-- share: of all rows shown. message: the destination's own words, a recent one. first_seen and last_seen: NULL when the
-- facts are past their retention.
CREATE OR REPLACE VIEW delivery_errors AS
WITH
    fromUnixTimestamp64Milli(intDiv({from_ms:Int64}, 60000) * 60000, 'UTC') AS first,
    fromUnixTimestamp64Milli(intDiv({to_ms:Int64} + 59999, 60000) * 60000, 'UTC') AS end
SELECT
    errors.state AS state, errors.destination AS destination, errors.code AS code,
    reasons.severity AS severity, reasons.owner AS owner,
    if(reasons.description != '', reasons.description,
       if(match(errors.code, '^[0-9]{3}$'), concat('The destination answered with HTTP status ', errors.code, '.'), ''))
        AS description,
    reasons.action AS action, reasons.link AS link,
    errors.deliveries AS deliveries,
    errors.deliveries / sum(errors.deliveries) OVER () AS share,
    errors.message AS message, errors.first_seen AS first_seen, errors.last_seen AS last_seen
FROM (
    SELECT ended.state AS state, ended.destination AS destination, ended.code AS code, ended.deliveries AS deliveries,
           seen.message AS message,
           if(seen.last_at > 0, seen.first_at, NULL) AS first_seen, if(seen.last_at > 0, seen.last_at, NULL) AS last_seen
    FROM (
        SELECT status AS state, destination, code, sum(count) AS deliveries
        FROM counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                    destination = {destination:String}, step_seconds = 0)
        WHERE status IN ('discarded', 'expired')
        GROUP BY state, destination, code
        HAVING deliveries > 0
    ) AS ended
    LEFT JOIN (
        SELECT state, destination, code, min(at) AS first_at, max(at) AS last_at,
               argMaxIf(message, at, message != '') AS message
        FROM facts FINAL
        WHERE kind = 'outcome' AND state IN ('discarded', 'expired') AND count = 1 AND at >= first AND at < end
          AND ({source:String} = '' OR source = {source:String})
          AND ({destination:String} = '' OR destination = {destination:String})
        GROUP BY state, destination, code
    ) AS seen ON seen.state = ended.state AND seen.destination = ended.destination AND seen.code = ended.code
    UNION ALL
    SELECT 'awaiting_retry', waits_for, last_code, toInt64(count()), argMaxIf(words, until, words != ''),
           min(since), max(until)
    FROM (
        SELECT any(destination) AS waits_for,
               argMax(code, (kind = 'attempt_failed', at)) AS last_code,
               argMax(message, (kind = 'attempt_failed', at)) AS words,
               min(at) AS since, max(at) AS until
        FROM facts FINAL
        WHERE destination != '' AND kind IN ('attempt_failed', 'spilled', 'outcome')
          AND received_at >= first AND received_at < end
          AND ({source:String} = '' OR source = {source:String})
          AND ({destination:String} = '' OR destination = {destination:String})
        GROUP BY delivery_id
        HAVING sumIf(count, kind = 'outcome') = 0 AND countIf(kind != 'outcome') > 0
    )
    GROUP BY waits_for, last_code
) AS errors
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = errors.code
ORDER BY deliveries DESC, state, destination, code
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- delivery_samples: redacted payloads of attempts in the period, newest first; code '' for all, limit: how many.
-- batch_items: how many deliveries the answer spoke of together; 0: of this one. Tests are not among them.
CREATE OR REPLACE VIEW delivery_samples AS
SELECT at, source, destination, mapping, message_id, event_type, event_name, delivery_id, attempt, attempt_id, state,
       code, message, batch_items, redrive, event, request, response
FROM samples FINAL
WHERE state != 'test' AND at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
  AND ({code:String} = '' OR code = {code:String})
ORDER BY at DESC, log_partition, log_offset
LIMIT {limit:UInt32}
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- event_trace: all that is known about the events with one messageId, oldest first.
-- step: rejected, received, duplicate, routed (one for each delivery), attempt_failed, spilled, outcome, redriven,
-- redrive_attempt_failed, redrive_spilled, redrive_outcome, tested. The call that ended a delivery is told by its outcome. at: of received the time ingest took it, of the rest the time it happened.
-- state: of outcomes. http_status: NULL when no answer came or no call was made. due_at: of attempt_failed and spilled,
-- else NULL. latency_ms and its four parts: of outcomes, else NULL. batch_items: how many deliveries the answer spoke of
-- together; 0: of this one. counted: false when it repeats, after a crash, what was said before.
CREATE OR REPLACE VIEW event_trace AS
SELECT
    steps.at AS at, steps.step AS step, steps.source AS source, steps.destination AS destination,
    steps.mapping AS mapping, steps.event_type AS event_type, steps.event_name AS event_name,
    steps.delivery_id AS delivery_id, steps.attempt AS attempt, steps.state AS state, steps.code AS code,
    reasons.description AS description, reasons.action AS action, steps.message AS message,
    if(steps.http_status = 0, NULL, steps.http_status) AS http_status, steps.http_ms AS http_ms,
    if(endsWith(steps.step, 'outcome'), steps.latency_ms, NULL) AS latency_ms,
    if(endsWith(steps.step, 'outcome'), steps.queue_ms, NULL) AS queue_ms,
    if(endsWith(steps.step, 'outcome'), steps.retry_wait_ms, NULL) AS retry_wait_ms,
    if(endsWith(steps.step, 'outcome'), steps.limit_wait_ms, NULL) AS limit_wait_ms,
    if(endsWith(steps.step, 'outcome'), steps.calls_ms, NULL) AS calls_ms,
    if(endsWith(steps.step, 'attempt_failed') OR endsWith(steps.step, 'spilled'), steps.due_at, NULL) AS due_at,
    steps.batch_items AS batch_items, steps.redrive AS redrive, steps.author AS author,
    toBool(steps.count = 1) AS counted, steps.resent AS resent,
    steps.events_partition AS events_partition, steps.events_offset AS events_offset
FROM (
    SELECT if(kind = 'received', received_at, facts.at) AS at, kind AS step,
           indexOf(['rejected', 'received', 'duplicate', 'routed', 'attempt_failed', 'spilled', 'outcome', 'redriven',
                    'redrive_attempt_failed', 'redrive_spilled', 'redrive_outcome', 'tested'], kind) AS rank,
           source, destination, mapping, event_type, event_name, delivery_id, attempt, state, code, message,
           http_status, http_ms, latency_ms, queue_ms, retry_wait_ms, limit_wait_ms, calls_ms, due_at,
           batch_items, redrive, author, count, resent, events_partition, events_offset,
           log_partition, log_offset
    FROM facts FINAL
    WHERE message_id = {message_id:String} AND correction = 0 AND NOT (kind = 'received' AND count = 0)
    UNION ALL
    SELECT facts.at, 'routed', 4,
           source, route.destination, route.mapping, event_type, event_name, route.delivery_id, 0, '', '', '',
           0, 0, 0, 0, 0, 0, 0, due_at,
           0, 0, '', count, resent, events_partition, events_offset,
           log_partition, log_offset
    FROM facts FINAL ARRAY JOIN routes AS route
    WHERE message_id = {message_id:String} AND kind = 'received' AND count = 1
) AS steps
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = steps.code AND steps.code != ''
ORDER BY at, steps.rank, destination, mapping, attempt, steps.log_partition, steps.log_offset
SETTINGS do_not_merge_across_partitions_select_final = 1;
