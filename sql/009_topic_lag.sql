-- topic_lag: how far delivery has read each partition, as its workers said last, and since when something waits there.
-- unread: records nobody has read. unsettled: read, and without an outcome or a retry record yet. waits_seconds: how long
-- ago the low watermark of the worker that is furthest behind lies; it grows while a worker stands still, also one that
-- never got a record, because it ticks as long as it lives. reported_seconds: the age of what is shown here.
CREATE VIEW IF NOT EXISTS topic_lag AS
SELECT
    at.topic AS topic, at.partition AS partition,
    max(at.end) AS end, min(at.position) AS position, max(at.end) - min(at.position) AS unread,
    min(at.position) - least(min(at.position), min(at.settled)) AS unsettled,
    greatest(0, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(min(watermark))) / 1000 AS waits_seconds,
    greatest(0, toUnixTimestamp64Milli(now64(3)) - toUnixTimestamp64Milli(min(said))) / 1000 AS reported_seconds
FROM (
    SELECT worker, positions, watermark, ticks.at AS said
    FROM ticks FINAL
    -- Partition 0 of topic outcomes has the positions of all topics.
    WHERE log_partition = 0 AND workers = (SELECT argMax(workers, (ticks.at, log_offset)) FROM ticks FINAL)
) AS told
ARRAY JOIN positions AS at
GROUP BY topic, partition
ORDER BY topic, partition;
