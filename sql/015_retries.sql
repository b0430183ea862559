-- What waits for a retry, found by one scan of `undelivered`: how deliveries ended that had to wait is in it, too. And
-- the hours that have samples of an error.

-- undelivered: the facts of deliveries that did not arrive at the first call: failed calls, puttings back, and the
-- outcomes of these and of all that were discarded or expired. due_at of an outcome: what it was to wait for last; 1970
-- if it never waited.
ALTER TABLE undelivered_of_facts MODIFY QUERY
SELECT kind, correction, count, log_partition, log_offset, appended_at, at, source, destination, mapping, message_id,
       event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts
WHERE destination != ''
  AND (kind IN ('attempt_failed', 'requeued')
       OR kind = 'outcome' AND (state IN ('discarded', 'expired') OR due_at > 0 OR attempt > 1));

-- What was recorded before this migration.
INSERT INTO undelivered
SELECT kind, correction, count, log_partition, log_offset, appended_at, at, source, destination, mapping, message_id,
       event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts FINAL
WHERE destination != '' AND kind = 'outcome' AND state NOT IN ('discarded', 'expired')
  AND (destination, toStartOfHour(received_at), delivery_id) IN (
      SELECT destination, toStartOfHour(received_at), delivery_id FROM undelivered
      WHERE kind IN ('attempt_failed', 'requeued'));

-- Which hours have samples of an error is told by this, without reading their rows (error_samples).
ALTER TABLE samples MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';
ALTER TABLE samples ADD PROJECTION IF NOT EXISTS sampled_hours (
    SELECT toStartOfHour(at), destination, code, state, source, count()
    GROUP BY toStartOfHour(at), destination, code, state, source
);
ALTER TABLE samples MATERIALIZE PROJECTION sampled_hours;
