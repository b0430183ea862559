"""Topics in SQLite files, one file a topic. A background thread makes checkpoints, so that appends never wait for one."""
