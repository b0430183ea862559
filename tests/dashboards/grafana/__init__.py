"""Checks and pictures of Grafana dashboards with the ClickHouse plugin, without a Grafana server."""
