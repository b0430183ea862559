"""Alerting: rules, windows of counts, what a rule measures, its state machine, and what notifications say.

Reading minutes and sending stand in `flows.alerting`; the formats of Slack, email and webhooks in `sinks.channels`.
"""
