"""The interface of the HTTP engine: one request in, one response or failure out, everything limited.

`sinks.http.client` implements it. A response exists as soon as its status was received: a later error in headers or
body is recorded in the response and does not make it a failure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from model.http.messages import HttpFailure, HttpRequest, HttpResponse

Done: TypeAlias = Callable[[HttpResponse | HttpFailure], None]


class HttpEngine(Protocol):
    """Makes calls on one asyncio loop. Keeps connections alive between calls; follows few redirects."""

    def start(self, request: HttpRequest, done: Done) -> Callable[[], None]:
        """Start one call on the running loop; never raises for what the server does.

        Calls ``done`` exactly once, on the loop and never before `start` has returned. Returns a function that aborts
        the call: its connection closes, and ``done`` is not called.
        """

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call and wait for its result; cancelling it aborts the call."""

    async def close(self) -> None:
        """Close all connections. Calls in flight end with ECONNABORTED."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """How connections leave this machine.

    ``proxy_url``: an http proxy (``http://user:password@host:port``) that every call goes through, unless it is
    `direct`; '' for none. ``ca_pem``: certificates of authorities to trust besides those of the system.
    """

    proxy_url: str = ""
    ca_pem: bytes = b""
