-- Queries of the recording flow before it counts a fact that may repeat an earlier one. They read only records before
-- an offset of one log partition, so recording the same log again gets the same results. Times are Unix ms, ends
-- included.

-- prior_outcomes: the outcome that counts for each of the deliveries, and the number of calls made. Includes redrives,
-- which have delivery_ids of their own.
CREATE VIEW prior_outcomes AS
SELECT delivery_id, state, code, at, attempt
FROM facts FINAL
WHERE destination IN {destinations:Array(String)}
  AND received_at >= fromUnixTimestamp64Milli({first_received_ms:Int64}, 'UTC')
  AND received_at <= fromUnixTimestamp64Milli({last_received_ms:Int64}, 'UTC')
  AND delivery_id IN {delivery_ids:Array(String)}
  AND kind IN ('outcome', 'redrive_outcome')
  AND log_partition = {log_partition:UInt16} AND log_offset < {before_offset:UInt64}
GROUP BY delivery_id, state, code, at, attempt
HAVING sum(count) > 0
SETTINGS do_not_merge_across_partitions_select_final = 1;

-- prior_events: which of the events (offsets of one events partition) are recorded as received or as duplicates.
CREATE VIEW prior_events AS
SELECT DISTINCT events_partition, events_offset
FROM facts FINAL
WHERE destination = ''
  AND received_at >= fromUnixTimestamp64Milli({first_received_ms:Int64}, 'UTC')
  AND received_at <= fromUnixTimestamp64Milli({last_received_ms:Int64}, 'UTC')
  AND events_partition = {events_partition:Int32} AND events_offset IN {events_offsets:Array(Int64)}
  AND kind IN ('received', 'duplicate') AND count > 0
  AND log_partition = {log_partition:UInt16} AND log_offset < {before_offset:UInt64}
SETTINGS do_not_merge_across_partitions_select_final = 1;
