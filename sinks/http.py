"""The seam to HTTP: one request out, one answer or failure back, everything bounded.

Two engines stand behind it: `sinks.pyreqwest_engine` on the hot path, `sinks.httpx_engine` as the reference; one
contract suite holds for both.
"""

from typing import Protocol

from model.http import HttpFailure, HttpRequest, HttpResponse


class HttpEngine(Protocol):
    """Makes calls on one asyncio loop. Keeps connections alive between calls; never follows redirects."""

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call. Never raises for what the other side does; cancelling it aborts the call."""

    async def close(self) -> None:
        """Close all connections."""
