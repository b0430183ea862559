"""The interface of HTTP engines: one request in, one response or failure out, everything limited.

Two engines implement it: `sinks.http.pyreqwest_engine` on the hot path, `sinks.http.httpx_engine` as the reference; one
contract suite tests both. A response exists as soon as its status was received: a later error in headers or body is
recorded in the response and does not make it a failure.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.redirects import SAME_METHOD_AND_BODY

# Nearly all responses have a few hundred bytes, so compression saves nothing. Compressed ones are still decoded
# (`sinks.http.response_body`).
ACCEPT_ENCODING = "identity"
UNNEEDED_BODY_SECONDS = 1.0  # limit of the wait for a body that is not needed, after its status
_ALWAYS_READ = 207  # its body has a result per item

Done: TypeAlias = Callable[[HttpResponse | HttpFailure], None]


def waits_for_body(request: HttpRequest, status: int) -> bool:
    """Whether to wait for the body until the timeout of the call."""
    if status in SAME_METHOD_AND_BODY:
        return False  # a redirect: its body must not take the time of the next hop
    return request.needs_body or status == _ALWAYS_READ


class HttpEngine(Protocol):
    """Makes calls on one asyncio loop. Keeps connections alive between calls; never follows redirects."""

    def start(self, request: HttpRequest, done: Done) -> Callable[[], None]:
        """Start one call on the running loop; never raises for what the server does.

        Calls ``done`` exactly once, on the loop and never before `start` has returned. Returns a function that aborts
        the call: its connection closes, and ``done`` is not called.
        """

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call and wait for its result; cancelling it aborts the call."""

    async def close(self) -> None:
        """Close all connections."""


class StartsTasks:
    """Implements `HttpEngine.start` over ``send``, with a task for each call."""

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """See `HttpEngine`."""
        raise NotImplementedError

    def start(self, request: HttpRequest, done: Done) -> Callable[[], None]:
        """See `HttpEngine`."""
        task = asyncio.get_running_loop().create_task(self.send(request))

        def finished(ended: asyncio.Task[HttpResponse | HttpFailure]) -> None:
            if not ended.cancelled():
                done(ended.result())

        def abort() -> None:
            task.remove_done_callback(finished)
            task.cancel()

        task.add_done_callback(finished)
        return abort


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbound:
    """How connections leave this machine.

    ``proxy_url``: an http proxy (``http://user:password@host:port``) that every call goes through, unless it is
    `direct`; '' for none. ``ca_pem``: certificates of authorities to trust besides those of the system.
    """

    proxy_url: str = ""
    ca_pem: bytes = b""
