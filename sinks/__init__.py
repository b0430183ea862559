"""Everything that leaves: HTTP destinations and the ClickHouse store."""
