-- The history of one event, redrives of deliveries, and the audit log.

-- event_trace: every fact about the events with one messageId, oldest first.
-- step: rejected, received, duplicate, routed (one for each delivery), attempt_failed, requeued, outcome, redriven,
-- redrive_attempt_failed, redrive_requeued, redrive_outcome, tested. The call that ended a delivery is in its
-- outcome. at: of received the time ingest received the event, of the others the time of the step.
-- state: of outcomes. http_status: NULL without a response. due_at: of attempt_failed and requeued,
-- else NULL. latency_ms and its four parts: of outcomes, else NULL. batch_items: number of deliveries that share
-- the response; 0: only this one. counted: false if the fact repeats an earlier one after a crash.
CREATE VIEW event_trace AS
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
    if(endsWith(steps.step, 'attempt_failed') OR endsWith(steps.step, 'requeued'), steps.due_at, NULL) AS due_at,
    steps.batch_items AS batch_items, steps.redrive AS redrive, steps.author AS author,
    toBool(steps.count = 1) AS counted, steps.resent AS resent,
    steps.events_partition AS events_partition, steps.events_offset AS events_offset
FROM (
    SELECT if(kind = 'received', received_at, facts.at) AS at, kind AS step,
           indexOf(['rejected', 'received', 'duplicate', 'routed', 'attempt_failed', 'requeued', 'outcome', 'redriven',
                    'redrive_attempt_failed', 'redrive_requeued', 'redrive_outcome', 'tested'], kind) AS rank,
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
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons
    ON reasons.code = if(steps.code IN (SELECT code FROM reasons), steps.code, 'UNKNOWN') AND steps.code != ''
ORDER BY at, steps.rank, destination, mapping, attempt, steps.log_partition, steps.log_offset
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- redrives: the latest redrive of each of the deliveries: its number and its outcome.
-- delivery_ids: ids of the first deliveries. state: '' until the redrive has an outcome.
CREATE VIEW redrives AS
SELECT
    splitByChar('/', delivery_id)[1] AS first_delivery_id,
    argMax(redrive, (redrive, at)) AS number,
    argMaxIf(facts.state, (redrive, at), kind IN ('redriven', 'redrive_outcome') AND count >= 0) AS state,
    maxIf(at, kind = 'redrive_outcome' AND facts.state = 'delivered') AS recovered_at
FROM facts FINAL
WHERE redrive > 0 AND destination = {destination:String}
  AND splitByChar('/', delivery_id)[1] IN {delivery_ids:Array(String)}
GROUP BY first_delivery_id
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- audit_log: audited actions of [from_ms, to_ms), newest first; limit: maximum rows.
CREATE VIEW audit_log AS
SELECT at, author, role, action, subject, details
FROM audit FINAL
WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
ORDER BY at DESC, log_partition, log_offset
LIMIT {limit:UInt32};
