"""The public API for scripts: Segment's delivery overview and delivery metrics, and the trace of one event."""
