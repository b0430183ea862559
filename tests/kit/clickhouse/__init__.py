"""ClickHouse's HTTP protocol in front of chDB, with faults to order: the driver's real HTTP path without a server."""
