"""One colour for each meaning, on every dashboard."""

DELIVERED = "green"
DISCARDED = "red"
EXPIRED = "orange"
FILTERED = "#8E8E8E"
PENDING = "blue"
NOT_DELIVERED = DISCARDED
RECEIVED = "#5AB4C8"
NEUTRAL = RECEIVED
FAILED_CALLS = "yellow"
LATENCY = ("#CA95E5", "#A352CC", "#6B2E99")  # P50, P95, P99
UNSETTLED = "#7B93B8"
PLAIN = "text"
GOOD, WORRYING, BAD = "green", "orange", "red"

STATES = {
    "delivered": ("delivered", DELIVERED),
    "discarded": ("discarded", DISCARDED),
    "expired": ("expired", EXPIRED),
    "filtered": ("filtered", FILTERED),
    "awaiting_retry": ("waits for a retry", PENDING),
    "pending": ("pending", PENDING),
}
DESTINATION_STATES = {
    "setup": ("needs setting up", BAD),
    "open": ("paused: it keeps failing", WORRYING),
    "half_open": ("being tried again", FAILED_CALLS),
}
ALERT_CHANGES = {
    "fired": ("fired", BAD),
    "recovered": ("recovered", GOOD),
    "reminder": ("still firing", WORRYING),
    "channel-disabled": ("channel disabled", BAD),
    "test": ("test", PENDING),
}
RULE_STATES = {
    "firing": ("firing", BAD),
    "ok": ("ok", GOOD),
    "never fired": ("never fired", PLAIN),
    "disabled": ("disabled", FILTERED),
}
CHANNEL_STATES = {"ok": ("ok", GOOD), "failing": ("failing", WORRYING), "disabled": ("disabled", BAD)}
MESSAGE_STATES = {"failed": ("tried again", WORRYING), "dropped": ("given up", BAD)}
SEVERITIES = {"error": ("error", BAD), "warning": ("warning", WORRYING), "info": ("info", PENDING)}
STEPS = {
    "successfully_received": ("Successfully received", RECEIVED),
    "failed_on_ingest": ("Failed on ingest", DISCARDED),
    "filtered_at_source": ("Filtered at source", FILTERED),
    "filtered_at_destination": ("Filtered at destination", FILTERED),
    "pending_retry": ("Pending retry", PENDING),
    "failed_delivery": ("Failed delivery", DISCARDED),
    "successful_delivery": ("Successful delivery", DELIVERED),
}
