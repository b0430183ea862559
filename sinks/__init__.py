"""Clients of the outside: HTTP destinations, the ClickHouse store, notification channels. Topics: `flows.topics`."""
