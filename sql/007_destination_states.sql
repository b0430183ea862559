-- destination_states: every change of a destination's state: ok, setup, open, half_open, off (removed or disabled).
-- Repeated rows merge as those of facts.
-- Key: destination, time, position in the log. Retention: 30 days.
CREATE TABLE IF NOT EXISTS destination_states (
    destination LowCardinality(String),
    at DateTime64(3, 'UTC'),
    log_partition UInt16,
    log_offset UInt64,
    state LowCardinality(String),
    code LowCardinality(String),
    message String,
    until DateTime64(3, 'UTC')  -- no call before this time
)
ENGINE = ReplacingMergeTree
ORDER BY (destination, at, log_partition, log_offset)
TTL toDateTime(at) + toIntervalSecond(2592000);
