-- Alerting: rules as people made them, what became of them, and what was told to whom. Written by the console process
-- (alert_rules) and the alerting flow (the rest). Times are UTC.

-- alert_rules: every version of every rule; a row is never changed. Without a TTL: a rule may be in force for years,
-- and the version that deleted it must not go before the others.
-- author        who made this version; creator: who made the first
-- change        created, edited, deleted, muted, unmuted, acknowledged
-- definition    the rule as JSON, as model/alerts/rule.py writes it; with the mail addresses people put in
-- muted_until, acknowledged_at: 1970 when it is not
-- owner         user, or workspace: then the workspace file says what the rule is
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

-- alert_transitions: each change of a rule between ok and firing, and each reminder. A row sent again folds (by id).
-- check         what was evaluated: day (24 hours), fast (first attempts), hour (failed events), setup, blind
-- change        fired, recovered, reminder
-- at            end of the window that was evaluated; since: when the episode began; episode: the transition that did
-- window_from, window_to: the window of numerator; baseline_from, baseline_to: what it is compared with, 1970 without
-- operator, numerator, denominator, threshold_bp, minimum: what was compared, as in model/alerts/transition.py; the
--               threshold in basis points (400 is 4 %). hour_…: of check fast, the hour beside the 5 minutes
-- excluded      what was left out of the comparison, by what it is: filtered deliveries
-- code, message of setup and blind: what was found; redacted
-- told, told_reason: whether messages were made of it, and if not, why: muted, late, never-told, ended
CREATE TABLE IF NOT EXISTS alert_transitions (
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
    told Bool,
    told_reason LowCardinality(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (at, rule_id, id)
TTL toDateTime(at) + toIntervalSecond(34560000);

-- alert_states: where each check of each rule stands, as of the last evaluation that changed anything.
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

-- alert_messages: each message to each channel; the row with the highest version is how it stands.
-- channel       in-app, email, or an id of alerts.channels
-- recipient     redacted; of in-app the user it is for, '' for everybody
-- state         queued, sent (the channel took it), failed (tried again), dropped (given up)
-- code, message: what the channel said last; redacted
CREATE TABLE IF NOT EXISTS alert_messages (
    message_id String,
    transition_id String,
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

-- alert_channels: how each channel is: ok, failing (tried again), disabled (it refused for good).
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
