"""Topics in SQLite files, one file a topic. `wal` keeps checkpoints away from the threads that append."""
