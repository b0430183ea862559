"""The seam to HTTP: one request out, one answer or failure back, everything bounded.

Two engines stand behind it: `sinks.http.pyreqwest_engine` on the hot path, `sinks.http.httpx_engine` as the reference;
one contract suite holds for both. An answer is an answer as soon as its status came: what is wrong with its headers or
its body afterwards is told in the answer and never makes a failure of it.
"""

from dataclasses import dataclass
from typing import Protocol

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.redirects import SAME_METHOD_AND_BODY

# Nearly all answers are a few hundred bytes long, so compressing them saves nothing. What comes compressed all the same
# is decoded (`sinks.http.response_body`).
ACCEPT_ENCODING = "identity"
UNNEEDED_BODY_SECONDS = 1.0  # how long to wait for a body that changes nothing, once its status came
_ALWAYS_READ = 207  # speaks of several things in its body


def waits_for_body(request: HttpRequest, status: int) -> bool:
    """Whether a body is waited for as long as the call may last."""
    if status in SAME_METHOD_AND_BODY:
        return False  # a redirect: its body must not take the time of the next hop
    return request.needs_body or status == _ALWAYS_READ


class HttpEngine(Protocol):
    """Makes calls on one asyncio loop. Keeps connections alive between calls; never follows redirects."""

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call. Never raises for what the other side does; cancelling it aborts the call."""

    async def close(self) -> None:
        """Close all connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """How connections leave this machine.

    ``proxy_url``: an http proxy (``http://user:password@host:port``) that every call goes through, unless it is
    `direct`; '' for none. ``ca_pem``: certificates of authorities to trust besides those of the system.
    """

    proxy_url: str = ""
    ca_pem: bytes = b""
