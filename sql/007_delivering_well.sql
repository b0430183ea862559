-- What deliveries meet on their way: where their time went, groups of errors, whole-batch answers, redrives, tests,
-- and the state destinations are found in.
--
-- Facts about redrives have kinds of their own (redriven, redrive_attempt_failed, redrive_spilled, redrive_outcome), so
-- that nothing which counts deliveries counts them; their delivery_id is <id>/r<n>. tested is in no count at all.
-- queue_ms + retry_wait_ms + limit_wait_ms + calls_ms = latency_ms of an outcome.
ALTER TABLE facts
    ADD COLUMN IF NOT EXISTS error_group String CODEC(ZSTD(1)), -- of failed attempts and outcomes; '' without message
    ADD COLUMN IF NOT EXISTS batch_items UInt32,   -- deliveries one answer spoke of together; 0: it spoke of this one
    ADD COLUMN IF NOT EXISTS queue_ms UInt64,      -- unread, or waiting for its turn
    ADD COLUMN IF NOT EXISTS retry_wait_ms UInt64, -- between attempts
    ADD COLUMN IF NOT EXISTS limit_wait_ms UInt64, -- pause, rate limit, breaker or setup of the destination
    ADD COLUMN IF NOT EXISTS calls_ms UInt64,      -- in calls
    ADD COLUMN IF NOT EXISTS redrive UInt16,       -- 1 for the first redrive of a delivery
    ADD COLUMN IF NOT EXISTS author String;        -- of a redrive or test: who asked for it

ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS redrive UInt16,
    ADD COLUMN IF NOT EXISTS batch_items UInt32;

-- Destination states: each change of what a destination was found to be: ok, setup, open, half_open. Folds as facts do.
CREATE TABLE IF NOT EXISTS destination_states (
    destination LowCardinality(String),
    at DateTime64(3, 'UTC'),
    log_partition UInt16,
    log_offset UInt64,
    run LowCardinality(String),
    state LowCardinality(String),
    code LowCardinality(String),
    message String,
    until DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (destination, at, log_partition, log_offset)
TTL toDateTime(at) + toIntervalSecond(2592000);

-- Audit: who did what with consequences outside; said before it is done. Folds as facts do.
CREATE TABLE IF NOT EXISTS audit (
    at DateTime64(3, 'UTC'),
    log_partition UInt16,
    log_offset UInt64,
    author String,
    role LowCardinality(String),   -- owner, write, read
    action LowCardinality(String), -- such as redrive, test-event
    subject String,                -- what it was done to, such as a destination
    details String                 -- JSON, redacted
)
ENGINE = ReplacingMergeTree
ORDER BY (at, log_partition, log_offset)
TTL toDateTime(at) + toIntervalSecond(31536000);

-- audit_log: what was done in [from_ms, to_ms), newest first; limit: how many.
CREATE VIEW IF NOT EXISTS audit_log AS
SELECT at, author, role, action, subject, details
FROM audit FINAL
WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
ORDER BY at DESC, log_partition, log_offset
LIMIT {limit:UInt32};

-- balance: as in 004, of first deliveries only: redrives have their own (redrive_balance), tests have none.
CREATE OR REPLACE VIEW balance AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end,
    (SELECT watermark_ms - {settle_seconds:UInt32} * 1000 FROM low_watermark) AS passed_ms
SELECT
    source, destination,
    countIf(is_routed) AS routed,
    countIf(fate = 'filtered') AS filtered,
    countIf(fate = 'delivered') AS delivered,
    countIf(fate = 'discarded') AS discarded,
    countIf(fate = 'expired') AS expired,
    countIf(fate = 'pending') AS pending,
    countIf(fate = 'unexplained') AS unexplained
FROM (
    SELECT
        any(source) AS source, any(destination) AS destination, max(route) AS is_routed,
        sum(filtered) AS f, sum(delivered) AS d, sum(discarded) AS x, sum(expired) AS e,
        f + d + x + e AS outcomes,
        ifNull(greatest(max(due_ms), max(received_ms)) < passed_ms, 0) AS is_passed,
        multiIf(
            is_routed AND outcomes = 1 AND abs(f) + abs(d) + abs(x) + abs(e) = 1,
                multiIf(f = 1, 'filtered', d = 1, 'delivered', x = 1, 'discarded', 'expired'),
            is_routed AND outcomes = 0 AND NOT is_passed, 'pending',
            NOT is_routed AND NOT is_passed, 'not yet recorded',
            'unexplained') AS fate
    FROM (
        SELECT route.delivery_id AS delivery_id, source, route.destination AS destination, 1 AS route,
               0 AS filtered, 0 AS delivered, 0 AS discarded, 0 AS expired,
               0 AS due_ms, toUnixTimestamp64Milli(received_at) AS received_ms
        FROM facts FINAL ARRAY JOIN routes AS route
        WHERE facts.destination = '' AND kind = 'received' AND received_at >= first AND received_at < end
          AND ({source:String} = '' OR source = {source:String})
          AND ({destination:String} = '' OR route.destination = {destination:String})
        UNION ALL
        SELECT delivery_id, source, destination, 0,
               count * (state = 'filtered'), count * (state = 'delivered'),
               count * (state = 'discarded'), count * (state = 'expired'),
               toUnixTimestamp64Milli(due_at), toUnixTimestamp64Milli(received_at)
        FROM facts FINAL
        WHERE destination != '' AND kind IN ('attempt_failed', 'spilled', 'outcome')
          AND received_at >= first AND received_at < end
          AND ({source:String} = '' OR source = {source:String})
          AND ({destination:String} = '' OR destination = {destination:String})
    )
    GROUP BY delivery_id
)
GROUP BY source, destination
HAVING routed + filtered + delivered + discarded + expired + pending + unexplained > 0
ORDER BY source, destination
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- redrive_balance: one row per source and destination, of the redrives begun in [from_ms, to_ms). A redrive is routed by
-- its redriven fact; the rest is as in balance. recovered: delivered by the redrive. In no other number.
CREATE VIEW IF NOT EXISTS redrive_balance AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end,
    (SELECT watermark_ms - {settle_seconds:UInt32} * 1000 FROM low_watermark) AS passed_ms
SELECT
    source, destination,
    count() AS redriven,
    countIf(fate = 'filtered') AS filtered,
    countIf(fate = 'delivered') AS recovered,
    countIf(fate = 'discarded') AS discarded,
    countIf(fate = 'expired') AS expired,
    countIf(fate = 'pending') AS pending,
    countIf(fate = 'unexplained') AS unexplained
FROM (
    SELECT
        any(source) AS source, any(destination) AS destination,
        minIf(at, kind = 'redriven') AS begun_at,
        sumIf(count, kind = 'redrive_outcome' AND state = 'filtered') AS f,
        sumIf(count, kind = 'redrive_outcome' AND state = 'delivered') AS d,
        sumIf(count, kind = 'redrive_outcome' AND state = 'discarded') AS x,
        sumIf(count, kind = 'redrive_outcome' AND state = 'expired') AS e,
        f + d + x + e AS outcomes,
        ifNull(toUnixTimestamp64Milli(greatest(max(due_at), begun_at)) < passed_ms, 0) AS is_passed,
        multiIf(
            outcomes = 1 AND abs(f) + abs(d) + abs(x) + abs(e) = 1,
                multiIf(f = 1, 'filtered', d = 1, 'delivered', x = 1, 'discarded', 'expired'),
            outcomes = 0 AND NOT is_passed, 'pending',
            'unexplained') AS fate
    FROM facts FINAL
    WHERE facts.destination != '' AND redrive > 0
      AND ({source:String} = '' OR facts.source = {source:String})
      AND ({destination:String} = '' OR facts.destination = {destination:String})
    GROUP BY delivery_id
    HAVING countIf(kind = 'redriven') > 0 AND begun_at >= first AND begun_at < end
)
GROUP BY source, destination
ORDER BY source, destination
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- redrives: the latest redrive of each delivery named: its number, whether it still waits, and how it ended.
-- delivery_ids: the first deliveries' ids. state: '' while it is under way.
CREATE VIEW IF NOT EXISTS redrives AS
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

-- error_groups: messages of failed attempts and of undelivered outcomes in [from_ms, to_ms), similar ones joined; most
-- first. attempts: calls that failed so; deliveries: how many met it. 'other': beyond 20 groups of a connection and day.
CREATE VIEW IF NOT EXISTS error_groups AS
SELECT source, destination, code, error_group, count() AS attempts, uniqExact(delivery_id) AS deliveries,
       min(facts.at) AS first_seen, max(facts.at) AS last_seen,
       argMax(message, (facts.at, log_partition, log_offset)) AS message
FROM facts FINAL
WHERE kind IN ('attempt_failed', 'outcome') AND count = 1 AND (kind != 'outcome' OR state IN ('discarded', 'expired'))
  AND destination != ''
  AND facts.at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND facts.at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
GROUP BY source, destination, code, error_group
ORDER BY attempts DESC, source, destination, code, error_group
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- latency_split: where the time of the deliveries delivered in [from_ms, to_ms) went, in ms: means and P95 of each part.
CREATE VIEW IF NOT EXISTS latency_split AS
SELECT source, destination, count() AS delivered,
       avg(queue_ms) AS mean_queue_ms, avg(retry_wait_ms) AS mean_retry_wait_ms,
       avg(limit_wait_ms) AS mean_limit_wait_ms, avg(calls_ms) AS mean_calls_ms,
       quantileExact(0.95)(queue_ms) AS p95_queue_ms, quantileExact(0.95)(retry_wait_ms) AS p95_retry_wait_ms,
       quantileExact(0.95)(limit_wait_ms) AS p95_limit_wait_ms, quantileExact(0.95)(calls_ms) AS p95_calls_ms
FROM facts FINAL
WHERE kind = 'outcome' AND state = 'delivered' AND count = 1
  AND facts.at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
  AND facts.at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
GROUP BY source, destination
ORDER BY source, destination
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- destination_health: one row per destination whose last known state is not ok, with what waits for it: a banner.
-- pending: of the events received in [from_ms, to_ms).
CREATE VIEW IF NOT EXISTS destination_health AS
SELECT
    states.destination AS destination, states.state AS state, states.since AS since, states.code AS code,
    reasons.description AS description, reasons.action AS action, states.message AS message,
    states.until AS until, waiting.pending AS pending
FROM (
    SELECT destination, argMax(state, (at, log_offset)) AS state, max(at) AS since,
           argMax(code, (at, log_offset)) AS code, argMax(message, (at, log_offset)) AS message,
           argMax(until, (at, log_offset)) AS until
    FROM destination_states FINAL
    GROUP BY destination
    HAVING state != 'ok'
) AS states
LEFT JOIN (
    SELECT destination, sum(pending) AS pending
    FROM balance(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = '', destination = '',
                 settle_seconds = {settle_seconds:UInt32})
    GROUP BY destination
) AS waiting ON waiting.destination = states.destination
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = states.code AND states.code != ''
ORDER BY destination;

-- prior_outcomes: as in 006, of redrives too: they are told apart by their delivery_id.
CREATE OR REPLACE VIEW prior_outcomes AS
SELECT delivery_id, state, code, at
FROM facts FINAL
WHERE destination IN {destinations:Array(String)}
  AND received_at >= fromUnixTimestamp64Milli({first_received_ms:Int64}, 'UTC')
  AND received_at <= fromUnixTimestamp64Milli({last_received_ms:Int64}, 'UTC')
  AND delivery_id IN {delivery_ids:Array(String)}
  AND kind IN ('outcome', 'redrive_outcome')
  AND log_partition = {log_partition:UInt16} AND log_offset < {before_offset:UInt64}
GROUP BY delivery_id, state, code, at
HAVING sum(count) > 0
SETTINGS do_not_merge_across_partitions_select_final = 1;
