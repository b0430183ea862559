-- When errors were seen is told by the totals, so that a table of them needs nothing of what destinations said.

-- first_at, last_at of discarded and expired in minute_totals and hour_totals: the first and the last of the outcomes
-- counted; 1970 where nobody knows any more. An outcome that was taken back later is among them.
ALTER TABLE minute_totals
    ADD COLUMN IF NOT EXISTS first_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1));
ALTER TABLE hour_totals
    ADD COLUMN IF NOT EXISTS first_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    ADD COLUMN IF NOT EXISTS last_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1));

-- What was recorded before this migration: of two rows of the same version the one that was inserted last counts.
INSERT INTO minute_totals
SELECT t.* REPLACE (seen.first_at AS first_at, seen.last_at AS last_at)
FROM (SELECT * FROM minute_totals FINAL WHERE status IN ('discarded', 'expired')) AS t
INNER JOIN (
    SELECT toStartOfMinute(toDateTime(at)) AS minute, toStartOfMinute(toDateTime(appended_at)) AS append_minute,
           log_partition, source, destination, state AS status, code, min(at) AS first_at, max(at) AS last_at
    FROM undelivered FINAL
    WHERE kind = 'outcome' AND state IN ('discarded', 'expired') AND count = 1
    GROUP BY minute, append_minute, log_partition, source, destination, status, code
) AS seen USING (minute, append_minute, log_partition, source, destination, status, code);

INSERT INTO hour_totals
SELECT t.* REPLACE (seen.first_at AS first_at, seen.last_at AS last_at)
FROM (SELECT * FROM hour_totals FINAL WHERE status IN ('discarded', 'expired')) AS t
INNER JOIN (
    SELECT toStartOfHour(minute) AS hour, log_partition, source, destination, status, code,
           min(first_at) AS first_at, max(last_at) AS last_at
    FROM minute_totals FINAL
    WHERE minute_totals.first_at > 0
    GROUP BY hour, log_partition, source, destination, status, code
) AS seen USING (hour, log_partition, source, destination, status, code);
