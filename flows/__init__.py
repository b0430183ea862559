"""The dataflows, and the steps and topic connectors they are wired from."""
