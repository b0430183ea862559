"""Pictures of dashboards: Grafana's own components in a browser without a window. Not a test, and no Grafana server."""
