"""Limits of one request to ingest, and of the memory that all requests share."""

from dataclasses import dataclass, field

from model.events.tracking import EventLimits
from model.workspace.settings import IngestConfig

MERGED_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestLimits:
    """Sizes are in bytes; see the fields."""

    event: EventLimits = field(default_factory=EventLimits)
    request_bytes: int = 500 * 1024  # after decompression
    items: int = 2_500
    merged_bytes: int = MERGED_BYTES  # a batch with its context merged into every item
    body_timeout_seconds: float = 30
    arriving_bytes: int = 64 * 1024 * 1024  # bodies being received
    waiting_bytes: int = 32 * 1024 * 1024  # records waiting to be written
    requests_per_second: int | None = None

    @classmethod
    def of(cls, config: IngestConfig) -> "IngestLimits":
        """Return the limits of a workspace file."""
        return cls(
            event=EventLimits(event_bytes=config.max_event_bytes),
            request_bytes=config.max_request_bytes,
            items=config.max_items,
            merged_bytes=max(MERGED_BYTES, 2 * config.max_request_bytes),
            requests_per_second=config.max_requests_per_second,
        )
