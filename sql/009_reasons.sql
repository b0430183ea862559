-- reasons: what each reason code means and what to do about it. `waybill migrate` writes all of them again from
-- model/reason_codes/ and the destinations' own. Key: code; the newest row counts. Without retention.
CREATE TABLE IF NOT EXISTS reasons (
    code String,
    severity LowCardinality(String),
    owner LowCardinality(String),
    retryable Bool,
    description String,
    action String,
    link String,
    written_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY code;
