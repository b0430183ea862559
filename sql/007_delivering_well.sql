-- What deliveries meet on their way: where their time went, groups of errors, whole-batch answers, redrives, tests,
-- and the state destinations are found in.
--
-- Facts about redrives have kinds of their own (redriven, redrive_attempt_failed, redrive_requeued, redrive_outcome), so
-- that nothing which counts deliveries counts them; their delivery_id is <id>/r<n>. tested is in no count at all.
-- queue_ms + retry_wait_ms + limit_wait_ms + calls_ms = latency_ms of an outcome.
ALTER TABLE facts
    ADD COLUMN IF NOT EXISTS error_group String CODEC(ZSTD(1)), -- of failed attempts and outcomes; '' without message
    ADD COLUMN IF NOT EXISTS batch_items UInt32,   -- deliveries one answer spoke of together; 0: it spoke of this one
    ADD COLUMN IF NOT EXISTS queue_ms UInt64,      -- unread, or waiting for its turn
    ADD COLUMN IF NOT EXISTS retry_wait_ms UInt64, -- between attempts
    ADD COLUMN IF NOT EXISTS limit_wait_ms UInt64, -- pause, rate limit, breaker or setup of the destination
    ADD COLUMN IF NOT EXISTS calls_ms UInt64,      -- in calls
    ADD COLUMN IF NOT EXISTS redrive UInt16,       -- 1 for the first redrive of a delivery
    ADD COLUMN IF NOT EXISTS author String;        -- of a redrive or test: who asked for it

ALTER TABLE samples
    ADD COLUMN IF NOT EXISTS redrive UInt16,
    ADD COLUMN IF NOT EXISTS batch_items UInt32;

-- Destination states: each change of what a destination was found to be: ok, setup, open, half_open. Folds as facts do.
CREATE TABLE IF NOT EXISTS destination_states (
    destination LowCardinality(String),
    at DateTime64(3, 'UTC'),
    log_partition UInt16,
    log_offset UInt64,
    run LowCardinality(String),
    state LowCardinality(String),
    code LowCardinality(String),
    message String,
    until DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (destination, at, log_partition, log_offset)
TTL toDateTime(at) + toIntervalSecond(2592000);

-- Audit: who did what with consequences outside; said before it is done. Folds as facts do.
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
