-- The balance: is every event accounted for? Cohorts are exact: received_at in [from_ms, to_ms), Unix ms.
-- settle_seconds: how long after the low watermark passes a fact its record may take to reach these tables.

-- low_watermark: always one row. watermark_ms: the delivery flow has nothing queued or unread that is due before it,
-- and every fact from before it is recorded here; NULL until every shard has reported in every partition.
CREATE VIEW low_watermark AS
SELECT
    if(count() > 0 AND uniqExact(shard, log_partition) = any(shards) * uniqExact(log_partition),
       toUnixTimestamp64Milli(min(watermark)), NULL) AS watermark_ms,
    if(count() > 0, max(at), NULL) AS newest_report
FROM watermarks FINAL
-- Once the workspace changes the number of shards, the last reports of the old shards no longer count.
WHERE shards = (SELECT argMax(shards, (at, log_offset)) FROM watermarks FINAL);

-- freshness: the time up to which numbers are complete, and its age. Always one row; NULL without reports.
CREATE VIEW freshness AS
SELECT fromUnixTimestamp64Milli(watermark_ms, 'UTC') AS watermark, newest_report,
       if(watermark_ms IS NULL, NULL,
          greatest(0, toUnixTimestamp64Milli(now64(3)) - watermark_ms) / 1000) AS lag_seconds
FROM low_watermark;

-- balance: one row per source and destination. Every delivery of the cohort is in exactly one of the columns after
-- routed. pending: no outcome yet, and the watermark has not passed its due time (of its last failed attempt or
-- requeue, else received_at). unexplained: passed without an outcome; or an outcome without routing; or outcomes that
-- do not add up to one. An outcome recorded before its routing is left out until the watermark passes it.
-- First deliveries only: redrive_balance counts redrives; no balance counts test events.
CREATE VIEW balance AS
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
        WHERE destination != '' AND kind IN ('attempt_failed', 'requeued', 'outcome')
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

-- ingest_balance: upstream of routing, by offsets of the events log; always one row.
-- ingested = accepted + rejected; accepted = duplicates + routed_events + unread + unexplained.
-- accepted: events in the log: in each partition the span from the first to the last offset of the cohort.
-- unread: in the log and not yet read or recorded; if the period reaches past the watermark, the whole backlog counts,
-- so a period that ends before now may include events received after it. unexplained: offsets inside the span that the
-- watermark has passed without a fact, and those counted other than once.
-- An unreadable record of the events log (an outcome without destination) counts as a routed event.
CREATE VIEW ingest_balance AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end,
    (SELECT watermark_ms - {settle_seconds:UInt32} * 1000 FROM low_watermark) AS passed_ms,
    -- An unread event was received after the watermark, or it would hold the watermark back.
    (SELECT ifNull({to_ms:Int64} > watermark_ms, 1) FROM low_watermark) AS is_open
SELECT
    accepted + rejected AS ingested,
    sum(span) + sum(backlog) AS accepted,
    (SELECT sum(count * toInt64(items)) FROM facts FINAL
     WHERE destination = '' AND kind = 'rejected' AND at >= first AND at < end) AS rejected,
    sum(n_duplicates) AS duplicates,
    sum(n_routed_events) AS routed_events,
    sum(backlog) + sum(missing) - sum(missing_passed) AS unread,
    sum(missing_passed) + sum(surplus) AS unexplained
FROM (
    SELECT
        if(recorded.offsets > 0, recorded.last - recorded.earliest + 1, 0) AS span,
        span - recorded.offsets AS missing,
        if(recorded.passed_offsets > 0, recorded.passed_last - recorded.earliest + 1 - recorded.passed_offsets, 0)
            AS missing_passed,
        recorded.n_duplicates AS n_duplicates, recorded.n_routed_events AS n_routed_events, recorded.surplus AS surplus,
        if(is_open, greatest(0, toInt64(lag.end) - greatest(toInt64(lag.position), recorded.newest + 1)), 0) AS backlog
    FROM (
        SELECT
            events_partition,
            max(events_offset) AS newest,
            countIf(in_cohort) AS offsets,
            minIf(events_offset, in_cohort) AS earliest,
            maxIf(events_offset, in_cohort) AS last,
            countIf(in_cohort AND is_passed) AS passed_offsets,
            maxIf(events_offset, in_cohort AND is_passed) AS passed_last,
            sumIf(n_duplicate, in_cohort) AS n_duplicates,
            sumIf(n_routed, in_cohort) AS n_routed_events,
            sumIf(abs(n_duplicate + n_routed - 1), in_cohort) AS surplus
        FROM (
            SELECT
                events_partition, events_offset,
                sumIf(count, kind = 'duplicate') AS n_duplicate,
                sumIf(count, kind != 'duplicate') AS n_routed,
                any(received_at) < end AS in_cohort,
                ifNull(toUnixTimestamp64Milli(any(received_at)) < passed_ms, 0) AS is_passed
            FROM facts FINAL
            WHERE destination = '' AND kind IN ('received', 'duplicate', 'outcome') AND events_offset >= 0
              AND received_at >= first
            GROUP BY events_partition, events_offset
        )
        GROUP BY events_partition
    ) AS recorded
    FULL JOIN (
        -- Each shard reads all partitions at its own pace; the slowest decides.
        SELECT toInt32(at.partition) AS events_partition, max(at.end) AS end, min(at.position) AS position
        FROM watermarks FINAL ARRAY JOIN positions AS at
        WHERE at.topic = 'events'
        GROUP BY events_partition
    ) AS lag USING (events_partition)
)
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- ingest_by_source: one row per source, of the same cohort as ingest_balance: ingested = accepted + rejected, accepted
-- = duplicates + routed_events. An event counts once the delivery flow has recorded it: unread and unexplained
-- events have no known source and are only in ingest_balance. Source '': rejected without a known write key.
CREATE VIEW ingest_by_source AS
WITH
    fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AS first,
    fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC') AS end
SELECT
    source, accepted + rejected AS ingested, duplicates + routed_events AS accepted,
    sumIf(count * toInt64(items), kind = 'rejected') AS rejected,
    sumIf(count, kind = 'duplicate') AS duplicates,
    sumIf(count, kind IN ('received', 'outcome')) AS routed_events
FROM facts FINAL
WHERE destination = '' AND received_at >= first AND received_at < end
  AND (kind = 'rejected' OR kind IN ('received', 'duplicate', 'outcome') AND events_offset >= 0)
  AND ({source:String} = '' OR source = {source:String})
GROUP BY source
ORDER BY source
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- redrive_balance: one row per source and destination, of the redrives started in [from_ms, to_ms). Its redriven fact
-- routes a redrive; the rest is as in balance. recovered: delivered by the redrive. No other number counts redrives.
CREATE VIEW redrive_balance AS
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
        minIf(at, kind = 'redriven') AS started_at,
        sumIf(count, kind = 'redrive_outcome' AND state = 'filtered') AS f,
        sumIf(count, kind = 'redrive_outcome' AND state = 'delivered') AS d,
        sumIf(count, kind = 'redrive_outcome' AND state = 'discarded') AS x,
        sumIf(count, kind = 'redrive_outcome' AND state = 'expired') AS e,
        f + d + x + e AS outcomes,
        ifNull(toUnixTimestamp64Milli(greatest(max(due_at), started_at)) < passed_ms, 0) AS is_passed,
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
    HAVING countIf(kind = 'redriven') > 0 AND started_at >= first AND started_at < end
)
GROUP BY source, destination
ORDER BY source, destination
SETTINGS do_not_merge_across_partitions_select_final = 1;
