"""The API under /api: the views, Segment's delivery overview and metrics, event traces, test events and alerts."""
