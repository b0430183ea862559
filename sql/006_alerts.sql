-- Alerting: the rules people made, how each changed between ok and firing, and the messages sent about it. The console
-- process writes alert_rules; the alerting flow writes the other tables. Times are UTC.

-- alert_rules: every version of every rule; rows never change. Without retention: a rule may be in force for years, and
-- the version that deletes it must not expire before the others.
-- Key: rule, version.
-- author        who made this version; creator: who made the first
-- change        created, edited, deleted, muted, unmuted, acknowledged
-- definition    the rule as JSON (model/alerts/rule.py), including the mail addresses people entered
-- muted_until, acknowledged_at: 1970 if not muted, not acknowledged
-- owner         user, or workspace: defined in the workspace file
CREATE TABLE IF NOT EXISTS alert_rules (
    rule_id String,
    version UInt32,
    at DateTime64(3, 'UTC'),
    author String,
    change LowCardinality(String),
    definition String,
    muted_until DateTime64(3, 'UTC'),
    acknowledged_at DateTime64(3, 'UTC'),
    deleted Bool,
    owner LowCardinality(String),
    creator String
)
ENGINE = ReplacingMergeTree
ORDER BY (rule_id, version);

-- alert_events: every change of a rule between ok and firing, and every reminder. A row that is sent again merges.
-- Key: time, rule, id. Partition: month. Retention: retention.store.alerts_days, counted from at.
-- check         what was evaluated: day (24 hours), fast (first attempts), hour (failed events), setup, blind
-- change        fired, recovered, reminder
-- at            end of the evaluated window; since: when the episode started; episode: id of its first alert event
-- window_from, window_to: the window of numerator; baseline_from, baseline_to: the window it is compared with, or 1970
-- operator, numerator, denominator, threshold_bp, minimum: the comparison, as in model/alerts/alert_event.py; the
--               threshold in basis points (400 is 4 %). hour_…: of check fast, the hour beside the 5 minutes
-- excluded      what the comparison leaves out, by kind: filtered deliveries
-- code, message of setup and blind: the reason; redacted
-- notified, suppressed_reason: whether messages were sent, and if not, why: muted, late, never-notified, ended
CREATE TABLE IF NOT EXISTS alert_events (
    id String,
    rule_id String,
    rule_version UInt32,
    rule_name String,
    kind LowCardinality(String),
    `check` LowCardinality(String),
    change LowCardinality(String),
    at DateTime64(3, 'UTC'),
    since DateTime64(3, 'UTC'),
    episode String,
    window_from DateTime64(3, 'UTC'),
    window_to DateTime64(3, 'UTC'),
    baseline_from DateTime64(3, 'UTC'),
    baseline_to DateTime64(3, 'UTC'),
    source LowCardinality(String),
    destination LowCardinality(String),
    mapping LowCardinality(String),
    operator LowCardinality(String),
    numerator Int64,
    denominator Int64,
    threshold_bp UInt32,
    minimum Int64,
    hour_numerator Int64,
    hour_denominator Int64,
    excluded Map(String, Int64),
    code LowCardinality(String),
    message String,
    notes Array(String),
    channels Array(String),
    author String,
    notified Bool,
    suppressed_reason LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, rule_id, id)
TTL toDateTime(at) + toIntervalSecond(34560000);

-- alert_states: the status of each check of each rule, as of the last evaluation that changed anything.
-- Key: rule, check; the newest row counts. Without retention.
CREATE TABLE IF NOT EXISTS alert_states (
    rule_id String,
    `check` LowCardinality(String),
    status LowCardinality(String),
    since DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC'),
    numerator Int64,
    denominator Int64,
    threshold_bp UInt32
)
ENGINE = ReplacingMergeTree(at)
ORDER BY (rule_id, `check`);

-- alert_messages: every message to every channel; the row with the highest version is the current state.
-- Key: message. Retention: retention.store.alerts_days, counted from at.
-- channel       in-app, email, or an id of alerts.channels
-- recipient     redacted; of in-app the user it is for, '' for everybody
-- state         queued, sent (the channel accepted it), failed (will be tried again), dropped (given up)
-- code, message: the channel's last response; redacted
CREATE TABLE IF NOT EXISTS alert_messages (
    message_id String,
    alert_event_id String,
    rule_id String,
    rule_name String,
    change LowCardinality(String),
    channel String,
    recipient String,
    state LowCardinality(String),
    attempts UInt32,
    at DateTime64(3, 'UTC'),
    code LowCardinality(String),
    message String,
    title String,
    summary String,
    link String,
    version UInt64
)
ENGINE = ReplacingMergeTree(version)
ORDER BY message_id
TTL toDateTime(at) + toIntervalSecond(34560000);

-- alert_channels: the state of each channel: ok, failing (tried again), disabled (it refused permanently).
-- Key: channel; the newest row counts. Without retention.
CREATE TABLE IF NOT EXISTS alert_channels (
    channel String,
    state LowCardinality(String),
    since DateTime64(3, 'UTC'),
    at DateTime64(3, 'UTC'),
    code LowCardinality(String),
    message String
)
ENGINE = ReplacingMergeTree(at)
ORDER BY channel;
