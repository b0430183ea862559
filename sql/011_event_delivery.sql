-- The numbers of the Event Delivery and Delivery Overview pages. Parameters as in 003, and
--   settle_seconds  as in 004
--   step            a step of the pipeline (step_counts), '' for all where a view says so
--   by              what rows stand for: event_type, event_name or app_version
-- The period before is as long as the period and ends where it begins, both in whole minutes. Its numbers end in
-- _before.
--   …_change_percent  of counts: 12.5 is one eighth more than before; NULL when there was nothing before
--   …_change_points   of rates and shares, in percentage points (from 15 % to 22 % is 7); NULL when either is NULL
--   …_change_ms       of latencies; NULL when either is NULL
-- Segment's "% change" of a step is share_change_points here.
-- Rates and shares go from 0 to 1 and are NULL over none. Latencies are in ms and NULL over none.

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

-- delivery_trend: the series with a row for every bucket of the period, oldest first; at most 11,000 of them.
-- step_seconds must not be 0 here. Counts of an empty bucket are 0, its rate and latencies NULL.
CREATE OR REPLACE VIEW delivery_trend AS
SELECT bucket, delivered, not_delivered, filtered, attempts_failed, success_rate, p50_latency_ms, p95_latency_ms,
       p99_latency_ms
FROM delivery_series(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                     destination = {destination:String}, step_seconds = {step_seconds:UInt32})
ORDER BY bucket WITH FILL
    FROM toDateTime(intDiv(intDiv({from_ms:Int64}, 1000), greatest({step_seconds:UInt32}, 60))
                    * greatest({step_seconds:UInt32}, 60), 'UTC')
    TO toDateTime(intDiv({to_ms:Int64} + 59999, 60000) * 60 + assumeNotNull((
        SELECT throwIf(intDiv({to_ms:Int64} - {from_ms:Int64}, 1000 * greatest({step_seconds:UInt32}, 60)) > 11000,
                       'more than 11000 buckets: choose a larger step_seconds or a shorter period'))), 'UTC')
    STEP greatest({step_seconds:UInt32}, 60);

-- key_counts: the headline numbers beside those of the period before; always one row.
-- delivered, not_delivered and filtered are deliveries; possible_duplicates are calls that may repeat one made before a
-- crash. Filtered deliveries are in no rate. The numbers are those of delivery_metrics, read at once for both periods.
CREATE VIEW IF NOT EXISTS key_counts AS
WITH
    at >= toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS is_now,
    (n, n_before) -> if(n_before > 0, 100 * (n - n_before) / n_before, NULL) AS change_percent
SELECT
    delivered, delivered_before, change_percent(delivered, delivered_before) AS delivered_change_percent,
    not_delivered, not_delivered_before,
    change_percent(not_delivered, not_delivered_before) AS not_delivered_change_percent,
    filtered, filtered_before, change_percent(filtered, filtered_before) AS filtered_change_percent,
    if(delivered + not_delivered <= 0, NULL, delivered / (delivered + not_delivered)) AS success_rate,
    if(delivered_before + not_delivered_before <= 0, NULL,
       delivered_before / (delivered_before + not_delivered_before)) AS success_rate_before,
    100 * (success_rate - success_rate_before) AS success_rate_change_points,
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
        sumIf(count, NOT is_now AND status = 'possible_duplicate') AS possible_duplicates_before
    FROM totals(
        from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000)) * 60000,
        split_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
        destination = {destination:String}, step_seconds = 0)
);

-- key_latencies: the latencies of the period beside those of the period before; always one row. Apart from key_counts,
-- because to add up latencies takes longer than everything else there.
CREATE VIEW IF NOT EXISTS key_latencies AS
WITH
    at >= toDateTime(intDiv({from_ms:Int64}, 60000) * 60, 'UTC') AS is_now,
    index -> toUInt64(round(2 * pow(1.005 / 0.995, index) / (1.005 / 0.995 + 1))) AS value_ms
SELECT
    if(timed = 0, NULL, value_ms(ranked[1])) AS p50_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[1])) AS p50_latency_ms_before,
    toInt64(p50_latency_ms) - toInt64(p50_latency_ms_before) AS p50_latency_change_ms,
    if(timed = 0, NULL, value_ms(ranked[2])) AS p95_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[2])) AS p95_latency_ms_before,
    toInt64(p95_latency_ms) - toInt64(p95_latency_ms_before) AS p95_latency_change_ms,
    if(timed = 0, NULL, value_ms(ranked[3])) AS p99_latency_ms,
    if(timed_before = 0, NULL, value_ms(ranked_before[3])) AS p99_latency_ms_before,
    toInt64(p99_latency_ms) - toInt64(p99_latency_ms_before) AS p99_latency_change_ms
FROM (
    SELECT
        countIf(is_now) AS timed, countIf(NOT is_now) AS timed_before,
        quantilesExactWeightedArrayIf(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency), is_now) AS ranked,
        quantilesExactWeightedArrayIf(0.5, 0.95, 0.99)(mapKeys(latency), mapValues(latency), NOT is_now)
            AS ranked_before
    FROM totals(
        from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000)) * 60000,
        split_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
        destination = {destination:String}, step_seconds = 0)
    WHERE notEmpty(latency)
);

-- key_metrics: key_counts and key_latencies beside each other; always one row.
CREATE OR REPLACE VIEW key_metrics AS
SELECT counts.* EXCEPT (possible_duplicates, possible_duplicates_before, possible_duplicates_change_percent),
       latencies.*, possible_duplicates, possible_duplicates_before, possible_duplicates_change_percent
FROM key_counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}) AS counts
CROSS JOIN key_latencies(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                         destination = {destination:String}) AS latencies;

-- step_counts: counts by step of the pipeline, in its order:
--   successfully_received    events delivery took from the log, duplicates included; at the minute it took them
--   failed_on_ingest         items ingest refused; those without a known source have source ''
--   filtered_at_source       events dropped as duplicates of one before, for every destination alike
--   filtered_at_destination  deliveries that configuration chose not to send
--   failed_delivery          deliveries discarded or expired
--   successful_delivery      deliveries delivered; latency and by_attempt are of these
-- The first three count events and have destination ''; with a destination chosen they are those of the sources that
-- had any outcome there in the period. The others count deliveries: several of one event where several mappings match.
CREATE VIEW IF NOT EXISTS step_counts AS
SELECT
    at, arrayJoin(multiIf(
        status = 'received', ['successfully_received'],
        status = 'duplicate', ['successfully_received', 'filtered_at_source'],
        status = 'rejected', ['failed_on_ingest'],
        status = 'filtered', ['filtered_at_destination'],
        status IN ('discarded', 'expired'), ['failed_delivery'],
        status = 'delivered', ['successful_delivery'], [])) AS step,
    source, destination, mapping, event_type, event_name, app_version, code, count, latency, by_attempt
FROM counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
            destination = {destination:String}, step_seconds = {step_seconds:UInt32})
UNION ALL
SELECT
    at, arrayJoin(multiIf(
        status = 'received', ['successfully_received'],
        status = 'duplicate', ['successfully_received', 'filtered_at_source'], ['failed_on_ingest'])) AS step,
    source, destination, mapping, event_type, event_name, app_version, code, count, latency, by_attempt
FROM counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String}, destination = '',
            step_seconds = {step_seconds:UInt32})
WHERE {destination:String} != '' AND destination = '' AND status IN ('received', 'duplicate', 'rejected')
  AND source IN (
      SELECT source
      FROM counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                  destination = {destination:String}, step_seconds = {step_seconds:UInt32}));

-- step_series: step_counts by bucket and by what `by` names; only buckets with anything in them, oldest first.
-- by: any of event_type, event_name, app_version, mapping, code, source; the columns it does not name are ''.
-- by_attempt and retry_count are of successful_delivery: by number of calls; by a second call or later.
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

-- success_by_attempt: at which call deliveries were delivered in the period, and at which they failed; by number of
-- call. share: of all delivered; cumulative_share: delivered at this call or before.
-- attempts_failed: calls that failed and were waited after; not_delivered: deliveries discarded or expired after so
-- many calls, 0 without any. All by the minute in which it happened; calls that may repeat one are included.
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

-- pending_deliveries: one row for each delivery of the events received in [from_ms, to_ms) that has no outcome and is
-- not left behind by the low watermark: balance counts as many as pending. Only what is due or was received after the
-- watermark is looked at, so this is quick however long the period is.
-- attempt: calls made so far. code and message: of the last failed call, else of the last putting back; '' before
-- either. waits_for: 'first attempt', 'retry' (a call failed), or 'its turn' (put back without a call). due_at: NULL
-- for the first.
CREATE OR REPLACE VIEW pending_deliveries AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end,
    (SELECT fromUnixTimestamp64Milli(greatest(0, ifNull(watermark_ms - {settle_seconds:UInt32} * 1000, 0)), 'UTC')
     FROM low_watermark) AS passed,
    (SELECT min(received_at) FROM undelivered
     WHERE kind IN ('attempt_failed', 'spilled') AND received_at >= first AND received_at < end
       AND (due_at >= passed OR received_at >= passed)) AS earliest
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
    WHERE kind IN ('attempt_failed', 'spilled') AND received_at >= earliest AND received_at < end
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

-- oldest_undelivered: per connection, how many of the events received in [from_ms, to_ms) are pending, and the one that
-- was received first: its age in seconds, and what it waits for. Deliveries lost are not here but unexplained in
-- balance.
CREATE VIEW IF NOT EXISTS oldest_undelivered AS
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
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = o.code AND o.code != ''
ORDER BY received_at, source, destination;

-- destination_health: as in 007; since: when the destination was first found not ok after it last was. pending: of the
-- events received in [from_ms, to_ms).
CREATE OR REPLACE VIEW destination_health AS
SELECT
    states.destination AS destination, states.state AS state, states.since AS since, states.code AS code,
    reasons.description AS description, reasons.action AS action, states.message AS message,
    states.until AS until, waiting.pending AS pending
FROM (
    SELECT destination, argMax(found.state, (at, log_offset)) AS state,
           maxIf(at, found.state = 'ok') AS last_ok, groupArrayIf(at, found.state != 'ok') AS troubles,
           arrayMin(arrayFilter(trouble -> trouble >= last_ok, troubles)) AS since,
           argMax(found.code, (at, log_offset)) AS code, argMax(found.message, (at, log_offset)) AS message,
           argMax(found.until, (at, log_offset)) AS until
    FROM destination_states AS found FINAL
    GROUP BY destination
    HAVING state != 'ok'
) AS states
LEFT JOIN (
    SELECT destination, count() AS pending
    FROM pending_deliveries(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = '', destination = '',
                            settle_seconds = {settle_seconds:UInt32})
    GROUP BY destination
) AS waiting ON waiting.destination = states.destination
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = states.code AND states.code != ''
ORDER BY destination;

-- troubled_destinations: the destinations of destination_health, and nothing else of them.
CREATE VIEW IF NOT EXISTS troubled_destinations AS
SELECT destination
FROM destination_states AS found FINAL
GROUP BY destination
HAVING argMax(found.state, (at, log_offset)) != 'ok'
ORDER BY destination;

-- banners: what has to be said above every number: a row per destination that takes nothing now. No row: all is well.
CREATE VIEW IF NOT EXISTS banners AS
SELECT
    health.destination AS destination, health.state AS state, health.since AS since,
    concat(destination, if(state = 'setup', ' takes nothing until somebody acts',
                           ' is left alone for a while: too many calls failed')) AS headline,
    health.code AS code, health.description AS description, health.action AS action, reasons.link AS link,
    health.message AS message, health.until AS until, health.pending AS pending
FROM destination_health(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64},
                        settle_seconds = {settle_seconds:UInt32}) AS health
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons ON reasons.code = health.code AND health.code != ''
ORDER BY destination;

-- write_lag: per partition of topic outcomes, up to when its records are recorded here, and how long ago that is.
-- Delivery ticks every 10 s, so up to some 15 s is in order; it grows when recording is behind, and when delivery
-- stands still.
CREATE VIEW IF NOT EXISTS write_lag AS
SELECT log_partition, max(at) AS recorded_to,
       greatest(0, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(recorded_to)) / 1000 AS lag_seconds
FROM ticks
GROUP BY log_partition
ORDER BY log_partition;

-- possible_duplicates: calls that may repeat one made before a crash, by day (of the call), connection and run of the
-- delivery flow that made them. Their sum is possible_duplicates of delivery_metrics. deliveries: how many were
-- concerned.
CREATE VIEW IF NOT EXISTS possible_duplicates AS
SELECT toStartOfDay(facts.at) AS day, source, destination, run,
       uniqExact(log_partition, log_offset) AS possible_duplicates, uniqExact(delivery_id) AS deliveries,
       min(facts.at) AS first_seen, max(facts.at) AS last_seen
FROM facts
WHERE resent AND kind IN ('attempt_failed', 'outcome') AND correction = 0
  AND facts.at >= fromUnixTimestamp64Milli(intDiv({from_ms:Int64}, 60000) * 60000, 'UTC')
  AND facts.at < fromUnixTimestamp64Milli(intDiv({to_ms:Int64} + 59999, 60000) * 60000, 'UTC')
  AND ({source:String} = '' OR source = {source:String})
  AND ({destination:String} = '' OR destination = {destination:String})
GROUP BY day, source, destination, run
ORDER BY day, source, destination, run;
