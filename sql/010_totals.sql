-- Totals: what people look at all day, kept so that a period is read in a tenth of a second.

-- Old partitions become one part each, in which every row is the last of its key: FINAL costs nothing there.
ALTER TABLE facts MODIFY SETTING min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;
ALTER TABLE minutes MODIFY SETTING min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;
ALTER TABLE hours MODIFY SETTING min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

-- minute_totals has the rows of minutes without mapping, event type, name and version: one for each minute, append
-- minute, source, destination, status and code. Made by the recording flow beside minutes and in the same way (002).
-- hour_totals is to it what hours is to minutes.
--   by_attempt   of delivered, attempt_failed, discarded and expired: how many by number of calls made; 0: no call
--   …_ms         of delivered: the four parts of their latencies, added up
-- (The retentions of new tables are ten years until the workspace's are set, after everything older is in them.)
CREATE TABLE IF NOT EXISTS minute_totals (
    minute DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    append_minute DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    status LowCardinality(String),
    code LowCardinality(String),
    count Int64,
    latency Map(Int16, UInt32) CODEC(ZSTD(1)),
    by_attempt Map(UInt8, Int64) CODEC(ZSTD(1)),
    queue_ms Int64,
    retry_wait_ms Int64,
    limit_wait_ms Int64,
    calls_ms Int64,
    version UInt64,
    INDEX by_minute minute TYPE minmax GRANULARITY 1,
    INDEX appended append_minute TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMMDD(minute)
ORDER BY (minute, destination, source, status, code, log_partition, append_minute)
TTL minute + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE TABLE IF NOT EXISTS hour_totals (
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    through DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    status LowCardinality(String),
    code LowCardinality(String),
    count Int64,
    latency Map(Int16, UInt32) CODEC(ZSTD(1)),
    by_attempt Map(UInt8, Int64) CODEC(ZSTD(1)),
    queue_ms Int64,
    retry_wait_ms Int64,
    limit_wait_ms Int64,
    calls_ms Int64,
    PROJECTION built (SELECT log_partition, max(hour), max(through) GROUP BY log_partition)
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toYYYYMM(hour)
ORDER BY (hour, destination, source, status, code, log_partition)
TTL hour + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    deduplicate_merge_projection_mode = 'rebuild';

-- error_hours: what destinations said, by hour: the failed calls and the undelivered outcomes of `undelivered`, by group
-- of similar messages. Built with the hours of minutes; a row without destination says only that they were.
--   state        of outcomes discarded or expired; '' of calls that were made again
--   message      the newest one, at last_at
-- Parts of a week: what destinations said is gone a week after its facts at the latest.
CREATE TABLE IF NOT EXISTS error_hours (
    hour DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    through DateTime('UTC') CODEC(DoubleDelta, ZSTD(1)),
    log_partition UInt16,
    source LowCardinality(String),
    destination LowCardinality(String),
    code LowCardinality(String),
    error_group String CODEC(ZSTD(1)),
    state LowCardinality(String),
    attempts UInt64,
    first_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    message String CODEC(ZSTD(1)),
    PROJECTION built (SELECT log_partition, max(hour), max(through) GROUP BY log_partition)
)
ENGINE = ReplacingMergeTree(through)
PARTITION BY toMonday(hour)
ORDER BY (hour, destination, code, error_group, state, source, log_partition)
TTL hour + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1,
    deduplicate_merge_projection_mode = 'rebuild';

-- Keys begin with the time, but only indexes of this kind are put together by OR (totals, counts, error_messages).
ALTER TABLE minutes ADD INDEX IF NOT EXISTS by_minute minute TYPE minmax GRANULARITY 1;
ALTER TABLE minutes ADD INDEX IF NOT EXISTS appended append_minute TYPE minmax GRANULARITY 1;
ALTER TABLE minutes MATERIALIZE INDEX by_minute;
ALTER TABLE minutes MATERIALIZE INDEX appended;

ALTER TABLE samples ADD INDEX IF NOT EXISTS by_time at TYPE minmax GRANULARITY 1;
ALTER TABLE samples MATERIALIZE INDEX by_time;

-- Up to where hours are built is asked by every reading of counts: all that was appended up to the last `through` of a
-- partition and speaks of hours up to its last one is in them. This answers without reading the rows.
ALTER TABLE hours MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild';
ALTER TABLE hours ADD PROJECTION IF NOT EXISTS built (
    SELECT log_partition, max(hour), max(through) GROUP BY log_partition
);
ALTER TABLE hours MATERIALIZE PROJECTION built;

-- undelivered: the facts of deliveries that did not arrive at the first call: failed calls, puttings back, outcomes
-- discarded and expired. Some in a hundred of all facts, so that errors and what waits are found without the rest.
CREATE TABLE IF NOT EXISTS undelivered (
    kind LowCardinality(String),
    correction UInt8,
    count Int8,
    log_partition UInt16,
    log_offset UInt64 CODEC(Delta, ZSTD(1)),
    appended_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    message_id String CODEC(ZSTD(1)),
    event_type LowCardinality(String),
    event_name LowCardinality(String),
    app_version LowCardinality(String),
    received_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    delivery_id String CODEC(ZSTD(1)),
    attempt UInt16,
    code LowCardinality(String),
    message String CODEC(ZSTD(1)),
    state LowCardinality(String),
    due_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    error_group String,
    INDEX by_time at TYPE minmax GRANULARITY 1,
    INDEX by_due due_at TYPE minmax GRANULARITY 1,
    INDEX by_receipt received_at TYPE minmax GRANULARITY 1,
    INDEX appended appended_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(received_at)
ORDER BY (toStartOfHour(at), destination, code, source, log_partition, log_offset, correction)
TTL toDateTime(received_at) + toIntervalSecond(315360000)
SETTINGS ttl_only_drop_parts = 1, min_age_to_force_merge_seconds = 3600, min_age_to_force_merge_on_partition_only = 1;

CREATE MATERIALIZED VIEW IF NOT EXISTS undelivered_of_facts TO undelivered AS
SELECT kind, correction, count, log_partition, log_offset, appended_at, at, source, destination, mapping, message_id,
       event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts
WHERE destination != ''
  AND (kind IN ('attempt_failed', 'requeued') OR kind = 'outcome' AND state IN ('discarded', 'expired'));

-- What was recorded before this migration.
INSERT INTO undelivered
SELECT kind, correction, count, log_partition, log_offset, appended_at, at, source, destination, mapping, message_id,
       event_type, event_name, app_version, received_at, delivery_id, attempt, code, message, state, due_at, error_group
FROM facts FINAL
WHERE destination != ''
  AND (kind IN ('attempt_failed', 'requeued') OR kind = 'outcome' AND state IN ('discarded', 'expired'));

INSERT INTO minute_totals
SELECT m.minute, m.append_minute, m.log_partition, m.source, m.destination, m.status, m.code, m.count, m.latency,
       if(m.status = 'delivered', m.by_attempt, told.by_attempt), told.queue_ms, told.retry_wait_ms, told.limit_wait_ms,
       told.calls_ms, m.version
FROM (
    SELECT minute, append_minute, log_partition, source, destination, status, code, sum(minutes.count) AS count,
           sumMap(minutes.latency) AS latency, sumMap(minutes.by_attempt) AS by_attempt, max(minutes.version) AS version
    FROM minutes FINAL
    GROUP BY minute, append_minute, log_partition, source, destination, status, code
) AS m
LEFT JOIN (
    SELECT toStartOfMinute(toDateTime(at)) AS minute, toStartOfMinute(toDateTime(appended_at)) AS append_minute,
           log_partition, source, destination, toString(if(kind = 'outcome', state, kind)) AS status, code,
           sumMap(map(toUInt8(least(attempt, 255)), toInt64(facts.count))) AS by_attempt,
           sum(toInt64(facts.queue_ms)) AS queue_ms, sum(toInt64(facts.retry_wait_ms)) AS retry_wait_ms,
           sum(toInt64(facts.limit_wait_ms)) AS limit_wait_ms, sum(toInt64(facts.calls_ms)) AS calls_ms
    FROM facts FINAL
    WHERE kind IN ('outcome', 'attempt_failed') AND state != 'filtered' AND count != 0
    GROUP BY minute, append_minute, log_partition, source, destination, status, code
) AS told USING (minute, append_minute, log_partition, source, destination, status, code);

INSERT INTO hour_totals
SELECT toStartOfHour(t.minute) AS hour, any(built.through), t.log_partition, t.source, t.destination, t.status, t.code,
       sum(t.count), sumMap(t.latency), sumMap(t.by_attempt), sum(t.queue_ms), sum(t.retry_wait_ms),
       sum(t.limit_wait_ms), sum(t.calls_ms)
FROM (SELECT * FROM minute_totals FINAL) AS t
INNER JOIN (
    SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(hours.through) AS through
    FROM hours GROUP BY log_partition
) AS built ON built.log_partition = t.log_partition
WHERE t.minute < built.end AND t.append_minute <= built.through
GROUP BY hour, t.log_partition, t.source, t.destination, t.status, t.code;

INSERT INTO error_hours
SELECT toStartOfHour(u.at) AS hour, any(built.through), u.log_partition, u.source, u.destination, u.code, u.error_group,
       u.state, count(), min(u.at), max(u.at), argMax(u.message, (u.at, u.log_offset))
FROM (SELECT * FROM undelivered FINAL WHERE kind IN ('attempt_failed', 'outcome') AND undelivered.count = 1) AS u
INNER JOIN (
    SELECT log_partition, max(hour) + toIntervalHour(1) AS end, max(hours.through) AS through
    FROM hours GROUP BY log_partition
) AS built ON built.log_partition = u.log_partition
WHERE u.at < built.end AND toStartOfMinute(u.appended_at) <= built.through
GROUP BY hour, u.log_partition, u.source, u.destination, u.code, u.error_group, u.state;

INSERT INTO error_hours (hour, through, log_partition)
SELECT max(hour), max(hours.through), log_partition FROM hours GROUP BY log_partition;

-- Hours whose minutes are past their retention: where their time went, and at which call they failed, is not known.
INSERT INTO hour_totals
SELECT hour, max(hours.through), log_partition, source, destination, status, code, sum(hours.count),
       sumMap(hours.latency), sumMap(hours.by_attempt), 0, 0, 0, 0
FROM hours FINAL
WHERE hour < (SELECT toStartOfHour(min(minute)) FROM minutes)
GROUP BY hour, log_partition, source, destination, status, code;
