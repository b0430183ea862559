-- Sums closed minutes into hours; run by recording when an append minute has closed (sinks/clickhouse/store.py).
--
-- Parameters: log_partition; hours, first, end: the hours, in Unix seconds; through: the last append minute included.
-- One insert per table writes all hours with `through`, which readers select by.

INSERT INTO hours
    (hour, through, log_partition, source, destination, mapping, event_type, event_name, app_version, status, code,
     count, latency, by_attempt)
SELECT toStartOfHour(minute) AS hour, toDateTime({through:UInt32}, 'UTC'), log_partition, source, destination,
       mapping, event_type, event_name, app_version, status, code, sum(count), sumMap(latency), sumMap(by_attempt)
FROM minutes FINAL
WHERE log_partition = {log_partition:UInt16}
  AND minute >= toDateTime({first:UInt32}, 'UTC') AND minute < toDateTime({end:UInt32}, 'UTC')
  AND toUnixTimestamp(toStartOfHour(minute)) IN {hours:Array(UInt32)}
  AND append_minute <= toDateTime({through:UInt32}, 'UTC')
GROUP BY hour, log_partition, source, destination, mapping, event_type, event_name, app_version, status, code;

INSERT INTO hour_totals
    (hour, through, log_partition, source, destination, status, code, count, latency, by_attempt,
     queue_ms, retry_wait_ms, limit_wait_ms, calls_ms, first_at, last_at)
SELECT toStartOfHour(minute) AS hour, toDateTime({through:UInt32}, 'UTC'), log_partition, source, destination, status,
       code, sum(count), sumMap(latency), sumMap(by_attempt),
       sum(queue_ms), sum(retry_wait_ms), sum(limit_wait_ms), sum(calls_ms),
       minIf(minute_totals.first_at, minute_totals.first_at > 0), max(minute_totals.last_at)
FROM minute_totals FINAL
WHERE log_partition = {log_partition:UInt16}
  AND minute >= toDateTime({first:UInt32}, 'UTC') AND minute < toDateTime({end:UInt32}, 'UTC')
  AND toUnixTimestamp(toStartOfHour(minute)) IN {hours:Array(UInt32)}
  AND append_minute <= toDateTime({through:UInt32}, 'UTC')
GROUP BY hour, log_partition, source, destination, status, code;

-- From the hours just inserted. Each hour has a row for all destinations, also when nothing was delivered in it.
INSERT INTO hour_latencies (hour, through, log_partition, source, destination, latency)
SELECT hour, toDateTime({through:UInt32}, 'UTC'), log_partition, source, destination, sumMap(latency)
FROM hour_totals FINAL
WHERE log_partition = {log_partition:UInt16} AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
  AND notEmpty(latency)
GROUP BY GROUPING SETS (
    (hour, log_partition, source, destination), (hour, log_partition, source), (hour, log_partition, destination))
UNION ALL
SELECT hour, toDateTime({through:UInt32}, 'UTC'), {log_partition:UInt16}, '', '', sumMap(latency)
FROM (
    SELECT hour, latency
    FROM hour_totals FINAL
    WHERE log_partition = {log_partition:UInt16}
      AND hour IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
      AND notEmpty(latency)
    UNION ALL
    SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'), CAST(map(), 'Map(Int16, UInt32)')
)
GROUP BY hour;

-- With a row for each hour, also when nothing failed in it. FINAL reads few rows: `undelivered` is sorted by hour.
INSERT INTO error_hours
    (hour, through, log_partition, source, destination, code, error_group, attempts, last_at, message)
SELECT toStartOfHour(at) AS hour, toDateTime({through:UInt32}, 'UTC'), log_partition, source, destination, code,
       error_group, count() AS attempts, max(at), argMax(message, (at, log_offset))
FROM undelivered FINAL
WHERE log_partition = {log_partition:UInt16}
  AND toStartOfHour(at) IN (SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'))
  AND appended_at < toDateTime({through:UInt32} + 60, 'UTC')
  AND (kind = 'attempt_failed' OR state IN ('discarded', 'expired')) AND count = 1
GROUP BY hour, log_partition, source, destination, code, error_group
UNION ALL
SELECT toDateTime(arrayJoin({hours:Array(UInt32)}), 'UTC'), toDateTime({through:UInt32}, 'UTC'),
       {log_partition:UInt16}, '', '', '', '', 0, toDateTime64(0, 3, 'UTC'), '';
