-- Pending deliveries, what they wait for, and the lag of delivery and recording. settle_seconds: as in balance.sql.

-- pending_retries: those of pending_deliveries that were attempted or requeued before.
CREATE VIEW pending_retries AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end,
    (SELECT fromUnixTimestamp64Milli(greatest(0, ifNull(watermark_ms - {settle_seconds:UInt32} * 1000, 0)), 'UTC')
     FROM low_watermark) AS passed,
    -- All facts of a delivery have the received_at of its event.
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

-- pending_deliveries: one row for each delivery of the events received in [from_ms, to_ms) that has no outcome and
-- whose due time the low watermark has not passed: as many as pending of balance. Only deliveries due or received after
-- the watermark are read, so the query is fast for a period of any length.
-- attempt: calls made so far. code and message: of the last failed call, else of the last requeue; '' before either.
-- waits_for: 'first attempt', 'retry' (a call failed), or 'its turn' (requeued without a call). due_at: NULL for a
-- first attempt.
CREATE VIEW pending_deliveries AS
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
      WHERE destination != '' AND kind IN ('attempt_failed', 'requeued', 'outcome')
        AND received_at >= since AND received_at < end)
GROUP BY route.delivery_id;

-- waiting_deliveries: pending deliveries of the events received in [from_ms, to_ms), by connection and mapping,
-- redrives included.
CREATE VIEW waiting_deliveries AS
SELECT source, destination, mapping, count() AS deliveries
FROM (
    SELECT source, destination, mapping
    FROM pending_deliveries(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = '', destination = '',
                            settle_seconds = {settle_seconds:UInt32})
    UNION ALL
    SELECT any(facts.source), any(facts.destination), any(facts.mapping)
    FROM facts FINAL
    WHERE facts.destination != '' AND redrive > 0
    GROUP BY delivery_id
    HAVING countIf(kind = 'redriven') > 0 AND sumIf(count, kind = 'redrive_outcome') = 0
       AND minIf(at, kind = 'redriven') >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
       AND minIf(at, kind = 'redriven') < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
)
GROUP BY source, destination, mapping
ORDER BY source, destination, mapping;

-- oldest_undelivered: by connection, the number of pending deliveries of the events received in [from_ms, to_ms), and
-- the one received first: its age in seconds and what it waits for. Lost deliveries are not included: balance counts
-- them as unexplained.
CREATE VIEW oldest_undelivered AS
SELECT
    o.source AS source, o.destination AS destination, o.pending AS pending, o.delivery_id AS delivery_id,
    o.message_id AS message_id, o.event_type AS event_type, o.event_name AS event_name, o.received_at AS received_at,
    greatest(0, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(received_at)) / 1000 AS age_seconds,
    o.waits_for AS waits_for, o.due_at AS due_at, o.attempt AS attempt, o.code AS code,
    reasons.description AS description, reasons.action AS action, o.message AS message
FROM (
    SELECT *, count() OVER (PARTITION BY source, destination) AS pending
    FROM pending_deliveries(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                            destination = {destination:String}, settle_seconds = {settle_seconds:UInt32})
    ORDER BY received_at, delivery_id
    LIMIT 1 BY source, destination
) AS o
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons
    ON reasons.code = if(o.code IN (SELECT code FROM reasons), o.code, 'UNKNOWN') AND o.code != ''
ORDER BY received_at, source, destination;

-- destination_health: one row per destination whose last known state is neither ok nor off (removed or disabled), with
-- its pending deliveries.
-- since: start of the first state other than ok since the destination was last ok. pending: of the events received in
-- [from_ms, to_ms).
CREATE VIEW destination_health AS
SELECT
    states.destination AS destination, states.state AS state, states.since AS since, states.code AS code,
    reasons.description AS description, reasons.action AS action, states.message AS message,
    states.until AS until, waiting.pending AS pending
FROM (
    SELECT destination, argMax(found.state, (at, log_offset)) AS state,
           maxIf(at, found.state IN ('ok', 'off')) AS last_ok,
           groupArrayIf(at, found.state NOT IN ('ok', 'off')) AS troubles,
           arrayMin(arrayFilter(trouble -> trouble >= last_ok, troubles)) AS since,
           argMax(found.code, (at, log_offset)) AS code, argMax(found.message, (at, log_offset)) AS message,
           argMax(found.until, (at, log_offset)) AS until
    FROM destination_states AS found FINAL
    GROUP BY destination
    HAVING state NOT IN ('ok', 'off')
) AS states
LEFT JOIN (
    SELECT destination, count() AS pending
    FROM pending_deliveries(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = '', destination = '',
                            settle_seconds = {settle_seconds:UInt32})
    GROUP BY destination
) AS waiting ON waiting.destination = states.destination
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons
    ON reasons.code = if(states.code IN (SELECT code FROM reasons), states.code, 'UNKNOWN') AND states.code != ''
ORDER BY destination;

-- troubled_destinations: only the names of the destinations of destination_health.
CREATE VIEW troubled_destinations AS
SELECT destination
FROM destination_states AS found FINAL
GROUP BY destination
HAVING argMax(found.state, (at, log_offset)) NOT IN ('ok', 'off')
ORDER BY destination;

-- banners: warnings to show above all numbers: one row per destination that accepts no deliveries now.
CREATE VIEW banners AS
SELECT
    health.destination AS destination, health.state AS state, health.since AS since,
    concat(destination, if(state = 'setup', ' takes nothing until somebody acts',
                           ' is paused because too many calls failed')) AS headline,
    health.code AS code, health.description AS description, health.action AS action, reasons.link AS link,
    health.message AS message, health.until AS until, health.pending AS pending
FROM destination_health(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
                        settle_seconds = {settle_seconds:UInt32}) AS health
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons
    ON reasons.code = if(health.code IN (SELECT code FROM reasons), health.code, 'UNKNOWN') AND health.code != ''
ORDER BY destination;

-- topic_lag: how far delivery has read each partition, as its shards last reported, and since when something waits
-- there.
-- unread: records that no shard has read. unsettled: records read that have no outcome or retry record yet.
-- waits_seconds: age of the low watermark of the slowest shard; it grows while a shard makes no progress, even one
-- without records, because a running shard always reports. reported_seconds: age of the oldest report shown.
CREATE VIEW topic_lag AS
SELECT
    at.topic AS topic, at.partition AS partition,
    max(at.end) AS end, min(at.position) AS position, max(at.end) - min(at.position) AS unread,
    min(at.position) - least(min(at.position), min(at.settled)) AS unsettled,
    greatest(0, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(min(watermark))) / 1000 AS waits_seconds,
    greatest(0, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(min(reported_at))) / 1000 AS reported_seconds
FROM (
    SELECT positions, watermark, watermarks.at AS reported_at
    FROM watermarks FINAL
    -- Partition 0 of topic outcomes has the positions of all topics.
    WHERE log_partition = 0 AND shards = (SELECT argMax(shards, (watermarks.at, log_offset)) FROM watermarks FINAL)
) AS reports
ARRAY JOIN positions AS at
GROUP BY topic, partition
ORDER BY topic, partition;

-- write_lag: for each partition of topic outcomes, the time up to which its records are recorded here, and its age.
-- Delivery reports its watermark every 10 s, so up to about 15 s is normal; the lag grows when recording is behind and
-- when delivery is stopped.
CREATE VIEW write_lag AS
SELECT log_partition, max(at) AS recorded_to,
       greatest(0, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(recorded_to)) / 1000 AS lag_seconds
FROM watermarks
GROUP BY log_partition
ORDER BY log_partition;
