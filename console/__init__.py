"""Command line, ingest, APIs, reports."""
