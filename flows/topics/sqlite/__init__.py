"""Topics in SQLite files, one file a topic. A background thread makes checkpoints, so appends never wait for one."""
