-- Alerting. Parameters as in counts.sql, and
--   rule_id  one rule, '' for all. Ids that start with 'workspace:' are rules of the workspace file; 'setup:…' and
--            'monitor-blind' are built in and always on.

-- alert_rules_now: one row per rule that is not deleted, firing rules first.
-- channels      mail addresses are masked
-- muted_until, acknowledged_at: NULL if not muted now, not acknowledged
-- status        firing if any of its checks is, else ok; NULL before its first change
-- since, numerator, denominator, threshold_bp: of the firing check, else of the check that changed last; or NULL
CREATE VIEW alert_rules_now AS
SELECT
    rule_id, version, JSONExtractString(definition, 'name') AS name, JSONExtractString(definition, 'kind') AS kind,
    JSONExtractBool(definition, 'enabled') AS enabled, JSONExtractString(definition, 'source') AS source,
    JSONExtractString(definition, 'destination') AS destination, JSONExtractString(definition, 'mapping') AS mapping,
    arrayMap(channel -> replaceRegexpOne(channel, '^email:(.).*@', 'email:\\1…@'),
             JSONExtract(definition, 'channels', 'Array(String)')) AS channels,
    owner, creator, author, rules.at AS changed_at, change,
    if(muted_until > now64(3), muted_until, NULL) AS muted_until,
    if(toUnixTimestamp64Milli(acknowledged_at) > 0, acknowledged_at, NULL) AS acknowledged_at,
    status, since, numerator, denominator, threshold_bp
FROM (SELECT * FROM alert_rules FINAL ORDER BY version DESC LIMIT 1 BY rule_id) AS rules
LEFT JOIN (
    SELECT rule_id, toNullable(status) AS status, toNullable(since) AS since, toNullable(numerator) AS numerator,
           toNullable(denominator) AS denominator, toNullable(threshold_bp) AS threshold_bp
    FROM alert_states_now
    ORDER BY status = 'firing' DESC, at DESC
    LIMIT 1 BY rule_id
) AS states USING rule_id
WHERE NOT deleted
ORDER BY ifNull(status, '') = 'firing' DESC, name, rule_id;

-- alert_rule_versions: every version made at or after from_ms and, of each rule, the last one before it: enough to know
-- which version was in force at any later time. rule_id: '' for all. Internal: definitions contain mail addresses.
CREATE VIEW alert_rule_versions AS
WITH fromUnixTimestamp64Milli(toInt64({from_ms:UInt64}), 'UTC') AS first
SELECT rule_id, version, at, author, change, definition, muted_until, acknowledged_at, deleted, owner, creator
FROM alert_rules FINAL
WHERE {rule_id:String} IN ('', rule_id)
  AND (at >= first
       OR (rule_id, version) IN (SELECT rule_id, max(version) FROM alert_rules WHERE at < first GROUP BY rule_id))
ORDER BY rule_id, version;

-- alert_states_now: alert_states, firing ones first. Includes rows of deleted rules.
CREATE VIEW alert_states_now AS
SELECT rule_id, `check`, status, since, at, numerator, denominator, threshold_bp
FROM alert_states FINAL
ORDER BY status = 'firing' DESC, since DESC, rule_id, `check`;

-- alert_history: alert events of rules in [from_ms, to_ms), newest first; limit: maximum rows. source, destination: ''
-- for all. sent, waiting, dropped: number of its messages that channels accepted, that wait for a channel, that were
-- given up.
CREATE VIEW alert_history AS
SELECT
    happened.id AS id, happened.at AS at, happened.rule_id AS rule_id, happened.rule_version AS rule_version,
    happened.rule_name AS rule_name, happened.kind AS kind, happened.check AS `check`, happened.change AS change,
    happened.source AS source, happened.destination AS destination, happened.mapping AS mapping,
    happened.operator AS operator, happened.numerator AS numerator, happened.denominator AS denominator,
    happened.threshold_bp AS threshold_bp, happened.minimum AS minimum, happened.hour_numerator AS hour_numerator,
    happened.hour_denominator AS hour_denominator, happened.excluded AS excluded, happened.code AS code,
    happened.message AS message, happened.notes AS notes, happened.since AS since,
    happened.window_from AS window_from, happened.window_to AS window_to, happened.notified AS notified,
    happened.suppressed_reason AS suppressed_reason, messages.sent AS sent, messages.waiting AS waiting, messages.dropped AS dropped
FROM (
    SELECT *
    FROM alert_events FINAL
    WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
      AND {rule_id:String} IN ('', rule_id)
      AND {source:String} IN ('', source)
      AND {destination:String} IN ('', destination)
    ORDER BY at DESC, rule_id, id
    LIMIT {limit:UInt32}
) AS happened
LEFT JOIN (
    SELECT alert_event_id, countIf(state = 'sent') AS sent, countIf(state IN ('queued', 'failed')) AS waiting,
           countIf(state = 'dropped') AS dropped
    FROM alert_messages FINAL
    WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')
    GROUP BY alert_event_id
) AS messages ON messages.alert_event_id = happened.id
ORDER BY at DESC, rule_id, id;

-- alert_inbox: messages in the app in [from_ms, to_ms), newest first; limit: maximum rows. user: messages for everybody
-- and for this user; '' for all messages.
CREATE VIEW alert_inbox AS
SELECT message_id, at, change, rule_id, rule_name, title, summary, link, recipient
FROM alert_messages FINAL
WHERE channel = 'in-app'
  AND at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND ({user:String} = '' OR recipient IN ('', {user:String}))
ORDER BY at DESC, message_id
LIMIT {limit:UInt32};

-- alert_message_log: messages to channels in [from_ms, to_ms), newest first; limit: maximum rows. Columns as in table
-- alert_messages.
CREATE VIEW alert_message_log AS
SELECT message_id, alert_event_id, rule_id, rule_name, change, channel, recipient, state, attempts, at, code, message,
       title
FROM alert_messages FINAL
WHERE at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC') AND at < fromUnixTimestamp64Milli({to_ms:Int64}, 'UTC')
  AND {rule_id:String} IN ('', rule_id)
ORDER BY at DESC, message_id
LIMIT {limit:UInt32};

-- alert_channel_health: the state of each channel that was ever used, failing ones first.
-- sent_24h, dropped_24h: messages of the last 24 hours; waiting: messages still to be sent, however old.
CREATE VIEW alert_channel_health AS
SELECT channel, health.state AS state, health.since AS since, health.at AS at, health.code AS code,
       health.message AS message, messages.sent_24h AS sent_24h, messages.dropped_24h AS dropped_24h,
       messages.waiting AS waiting
FROM (SELECT * FROM alert_channels FINAL) AS health
LEFT JOIN (
    SELECT channel, countIf(state = 'sent' AND at >= now64(3) - INTERVAL 24 HOUR) AS sent_24h,
           countIf(state = 'dropped' AND at >= now64(3) - INTERVAL 24 HOUR) AS dropped_24h,
           countIf(state IN ('queued', 'failed')) AS waiting
    FROM alert_messages FINAL
    GROUP BY channel
) AS messages USING channel
ORDER BY state = 'ok', channel;

-- alert_slots: the counts that rules evaluate, by slots of step_seconds (300; at least 60), oldest first; slots without
-- any are left out.
-- destination   '': counts what a source sent (received) and no deliveries; else its deliveries, and received is 0
-- source, mapping: '' for all. Several mappings of a connection are added up.
-- received      accepted events without duplicates
-- not_delivered discarded and expired; no rate includes filtered deliveries
-- first_ok, first_failed: first calls that succeeded, that failed; a later call may still deliver the latter
CREATE VIEW alert_slots AS
WITH greatest({step_seconds:UInt32}, 60) AS width
SELECT
    toDateTime(intDiv(toUnixTimestamp(c.at), width) * width, 'UTC') AS slot,
    sumIf(c.count, c.status = 'received') AS received,
    sumIf(c.count, c.status = 'delivered') AS delivered,
    sumIf(c.count, c.status IN ('discarded', 'expired')) AS not_delivered,
    sumIf(c.count, c.status = 'filtered') AS filtered,
    sumIf(c.by_attempt[1], c.status = 'delivered') AS first_ok,
    sumIf(c.by_attempt[1], c.status IN ('attempt_failed', 'discarded', 'expired')) AS first_failed
FROM (
    SELECT at, destination, status, count, by_attempt
    FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = 60)
    WHERE {mapping:String} = ''
    UNION ALL
    SELECT at, destination, status, count, by_attempt
    FROM counts(from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, source = {source:String},
                destination = {destination:String}, step_seconds = 60)
    WHERE {mapping:String} != '' AND mapping = {mapping:String}
) AS c
WHERE c.destination = {destination:String}
  AND c.status IN ('received', 'delivered', 'discarded', 'expired', 'filtered', 'attempt_failed')
GROUP BY slot
HAVING received != 0 OR delivered != 0 OR not_delivered != 0 OR filtered != 0 OR first_ok != 0 OR first_failed != 0
ORDER BY slot;

-- volume_of: accepted events of [from_ms, to_ms) by source, without duplicates; source: '' for all.
CREATE VIEW volume_of AS
SELECT c.source AS source, sum(c.count) AS received
FROM totals(from_ms = {from_ms:Int64}, split_ms = 0, to_ms = {to_ms:Int64}, source = {source:String}, destination = '',
            step_seconds = 0) AS c
WHERE c.destination = '' AND c.status = 'received'
GROUP BY source
ORDER BY source;

-- first_events: when each source sent its first event still in the store, up to to_ms; source: '' for all. Exact to the
-- minute within the last 7 days and where hours are not built, else to the hour.
CREATE VIEW first_events AS
SELECT source, min(at) AS first_at
FROM (
    SELECT c.source AS source, c.at AS at, c.count AS count
    FROM totals(from_ms = 0, split_ms = 0, to_ms = greatest(0, {to_ms:Int64} - 604800000), source = {source:String},
                destination = '', step_seconds = 3600) AS c
    WHERE c.destination = '' AND c.status = 'received'
    UNION ALL
    SELECT c.source, c.at, c.count
    FROM totals(from_ms = greatest(0, {to_ms:Int64} - 604800000), split_ms = 0, to_ms = {to_ms:Int64},
                source = {source:String}, destination = '', step_seconds = 60) AS c
    WHERE c.destination = '' AND c.status = 'received'
)
WHERE count > 0
GROUP BY source
ORDER BY source;
