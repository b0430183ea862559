"""Facts, and what is counted from them: rollups per minute, latency buckets, rows of the store's tables.

The flow that reads facts and writes rows stands in `flows.recording`.
"""
