-- The delivery pipeline: how far events and deliveries came. Column endings as in key_metrics.sql. Parameters:
--   step  a step of the pipeline (step_counts), '' for all where a view says so
--   by    what each row is: event_type, event_name or app_version
--   code  one reason, '' for all

-- step_counts: counts by step of the pipeline, in its order:
--   successfully_received    events the delivery flow read, duplicates included; in the minute it read them
--   failed_on_ingest         items that ingest refused; source '' if unknown
--   filtered_at_source       events dropped as duplicates of an earlier one, for all destinations
--   filtered_at_destination  deliveries that the configuration filters out
--   failed_delivery          deliveries discarded or expired
--   successful_delivery      deliveries delivered; latency and by_attempt are of these
-- The first three count events and have destination ''; if a destination is given, they count the events of the sources
-- that had any outcome there in the period. The others count deliveries: one event has several if several mappings
-- match.
CREATE VIEW step_counts AS
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

-- step_series: step_counts by bucket and by the dimensions in `by`; empty buckets are left out, oldest first.
-- by: any of event_type, event_name, app_version, mapping, code, source; columns it does not name are ''.
-- by_attempt and retry_count are of successful_delivery: deliveries by number of calls; deliveries that took two or
-- more.
CREATE VIEW step_series AS
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

-- funnel: always seven rows, in the order of the pipeline: the steps of step_counts, and pending_retry before
-- failed_delivery. unit: events or deliveries, see step_counts. Once all events of the period have outcomes in it:
--   successfully_received = filtered_at_source + events routed    (accepted, duplicates, routed_events: ingest_balance)
--   filtered_at_destination + pending_retry + failed_delivery + successful_delivery = deliveries routed       (balance)
-- share: of events, relative to all that arrived at ingest (received and failed); of deliveries, relative to all
-- outcomes. pending_retry counts the deliveries of the period's events that wait now for their first or a later call.
-- They have no outcome, so no share and no number before.
CREATE VIEW funnel AS
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
-- code: only those with that reason, '' for all. count, share (of the whole step) and change are of the step;
-- delivered, not_delivered, filtered, pending, success_rate and p95_latency_ms are of the value, whatever the step and
-- code. Rejected items have only an event type. '(other)': names and versions beyond the limit on series per minute.
CREATE VIEW breakdown AS
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

-- discard_breakdown: why events and deliveries were not delivered: one row per step and code; most first. step: one of
-- failed_on_ingest, filtered_at_source, filtered_at_destination and failed_delivery, '' for all of them.
-- The code of events filtered at the source is DUPLICATE. share: of the whole step. first_seen and last_seen: the
-- minute or, in whole hours inside the period, the hour.
CREATE VIEW discard_breakdown AS
SELECT
    d.step AS step, d.code AS code, d.count AS count,
    if(d.whole > 0, d.count / d.whole, NULL) AS share, d.count_before AS count_before,
    if(d.count_before > 0, 100 * (d.count - d.count_before) / d.count_before, NULL) AS change_percent,
    100 * (share - if(d.whole_before > 0, d.count_before / d.whole_before, NULL)) AS share_change_points,
    reasons.severity AS severity, reasons.owner AS owner,
    reasons.description AS description, reasons.action AS action, reasons.link AS link,
    d.first_seen AS first_seen, d.last_seen AS last_seen
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
LEFT JOIN (SELECT * FROM reasons FINAL) AS reasons
    ON reasons.code = if(d.code IN (SELECT code FROM reasons), d.code, 'UNKNOWN')
ORDER BY count DESC, count_before DESC, step, code;
