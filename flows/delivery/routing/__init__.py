"""The first half of the delivery flow: turns log records into deliveries, into the same ones again after a crash.

`Router` routes each record, once per process. Three stores on disk make that repeatable, each used by one process at a
time: `DedupStore` knows the first offset of each message, `WorkspaceVersions` which version of the workspace routes
which offset, and `ReplayMarks` how far earlier runs may have read.
"""
