"""The seam to HTTP: one request out, one answer or failure back, everything bounded.

Two engines stand behind it: `sinks.pyreqwest_engine` on the hot path, `sinks.httpx_engine` as the reference; one
contract suite holds for both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

RESPONSE_BODY_LIMIT_BYTES = 64 * 1024  # enough for any error message; the rest is never read into memory


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One call. ``timeout_seconds`` bounds the whole of it, from connecting to the last body byte."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The answer. ``body`` holds at most RESPONSE_BODY_LIMIT_BYTES; ``body_truncated`` says if more was sent."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case
    body: bytes = b""
    body_truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpFailure:
    """No answer. ``code`` is a transport code of model.codes: ECONNREFUSED, ETIMEDOUT, TLS_ERROR, ...."""

    code: str
    message: str


class HttpEngine(Protocol):
    """Makes calls on one asyncio loop. Keeps connections alive between calls; never follows redirects."""

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call. Never raises for what the other side does; cancelling it aborts the call."""

    async def close(self) -> None:
        """Close all connections."""
