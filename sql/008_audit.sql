-- audit: who performed which action with external consequences; recorded before the action is performed. Repeated rows
-- merge as those of facts.
-- Key: time, position in the log. Retention: one year.
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
