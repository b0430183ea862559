"""Where alerts are told: Slack, email, webhooks. One channel, one file."""
