"""Topics in SQLite files, one file a topic. Checkpoints are kept away from the threads that append."""
