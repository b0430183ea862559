-- The numbers at the top of the Event Delivery page, with those of the period before, and their details.
-- The period before has the same length and ends where the period starts, both in whole minutes. Its columns end in
-- _before.
--   …_change_percent  of counts: 12.5 is one eighth more than before; NULL if the count before is 0
--   …_change_points   of rates and shares, in percentage points (from 15 % to 22 % is 7); NULL when either is NULL
--   …_change_ms       of latencies; NULL when either is NULL
-- Segment's "% change" of a step is share_change_points here.

-- key_counts: the headline numbers of the period and of the period before; always one row.
-- delivered, not_delivered and filtered are deliveries; possible_duplicates are calls that may repeat one made before a
-- crash. No rate includes filtered deliveries. The numbers equal delivery_metrics; one query reads both periods.
CREATE VIEW key_counts AS
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

-- key_latencies: the latencies of the period and of the period before; always one row. Separate from key_counts,
-- because adding up latencies takes longer than all of key_counts.
CREATE VIEW key_latencies AS
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
    FROM latencies(
        from_ms = greatest(0, 2 * intDiv({from_ms:Int64}, 60000) - intDiv({to_ms:Int64} + 59999, 60000)) * 60000,
        split_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
        destination = {destination:String}, step_seconds = 0)
);

-- key_metrics: key_counts and key_latencies side by side; always one row.
CREATE VIEW key_metrics AS
SELECT counts.* EXCEPT (possible_duplicates, possible_duplicates_before, possible_duplicates_change_percent),
       latencies.*, possible_duplicates, possible_duplicates_before, possible_duplicates_change_percent
FROM key_counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}) AS counts
CROSS JOIN key_latencies(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                         destination = {destination:String}) AS latencies;

-- success_by_attempt: deliveries of the period by the number of the call that delivered them or failed.
-- share: of all delivered; cumulative_share: delivered at this call or before.
-- attempts_failed: failed calls that were followed by a wait; not_delivered: deliveries discarded or expired after this
-- many calls (0: without a call). All count in the minute in which they happened; possible duplicates are included.
CREATE VIEW success_by_attempt AS
SELECT
    attempt, sumIf(n, status = 'delivered') AS delivered,
    if(sum(delivered) OVER () > 0, delivered / sum(delivered) OVER (), NULL) AS share,
    if(sum(delivered) OVER () > 0, sum(delivered) OVER (ORDER BY attempt) / sum(delivered) OVER (), NULL)
        AS cumulative_share,
    sumIf(n, status = 'attempt_failed') AS attempts_failed,
    sumIf(n, status IN ('discarded', 'expired')) AS not_delivered
FROM (
    SELECT status, toUInt16(calls) AS attempt, sum(deliveries) AS n
    FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = 0)
    ARRAY JOIN mapKeys(by_attempt) AS calls, mapValues(by_attempt) AS deliveries
    GROUP BY status, attempt
)
GROUP BY attempt
HAVING delivered > 0 OR attempts_failed > 0 OR not_delivered > 0
ORDER BY attempt;

-- latency_split: the mean of each part of the latency of deliveries delivered in the period, in ms, by connection. The
-- four parts add up to the mean latency.
CREATE VIEW latency_split AS
SELECT source, destination, sum(t.count) AS delivered,
       sum(t.queue_ms) / delivered AS mean_queue_ms, sum(t.retry_wait_ms) / delivered AS mean_retry_wait_ms,
       sum(t.limit_wait_ms) / delivered AS mean_limit_wait_ms, sum(t.calls_ms) / delivered AS mean_calls_ms
FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
            destination = {destination:String}, step_seconds = 0) AS t
WHERE status = 'delivered'
GROUP BY source, destination
HAVING delivered > 0
ORDER BY source, destination;

-- possible_duplicates: calls that may repeat one made before a crash, by day (of the call), connection and run of the
-- delivery flow that made them. Their sum is possible_duplicates of delivery_metrics. deliveries: deliveries affected.
CREATE VIEW possible_duplicates AS
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
