"""Where people meet Waybill: command line, ingest API, reports."""
