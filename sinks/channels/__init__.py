"""Notification channels: Slack, email, webhooks; one file each. Queues and retries stand in `flows.alerting`."""
