"""The ClickHouse store, embedded (chDB) or a server: schema, views, inserts, hourly rollups. The SQL is in ``sql/``."""
