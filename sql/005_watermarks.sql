-- watermarks: how far each shard of the delivery flow has come, as reported in each partition of topic outcomes. The
-- newest report by log position replaces the others. All numbers are complete up to the least watermark of all rows: a
-- report that is recorded proves that everything before it in its partition is recorded too.
-- Key: shard, log partition. One row each, without retention.
CREATE TABLE IF NOT EXISTS watermarks (
    shard String,
    shards UInt16,                     -- how many shards there are
    log_partition UInt16,
    at DateTime64(3, 'UTC'),
    watermark DateTime64(3, 'UTC'),    -- nothing due before it is queued or unread
    positions Array(Tuple(topic String, partition UInt16, position UInt64, end UInt64, settled UInt64)),
    log_offset UInt64
)
ENGINE = ReplacingMergeTree(log_offset)
ORDER BY (shard, log_partition);
