"""Blocking calls for threads: one asyncio loop makes them all, and every wait has a limit.

HTTP goes through the engine of deliveries: addresses are checked and pinned, the only proxy used is the workspace's,
answers are bounded, and the only redirects followed are those that keep method and body.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.client import HttpClient
from sinks.http.engine import Outbound
from sinks.http.ssrf_guard import Network, SsrfGuard

_CLOSE_SECONDS = 5.0
_GRACE_SECONDS = 2.0  # the engine has its own timeout; this one is for a loop that is blocked
_T = TypeVar("_T")


class ChannelCalls:
    """``allowed``: private networks that may be called. Any number of threads may use it."""

    def __init__(self, allowed: Iterable[Network] = (), outbound: Outbound = Outbound()) -> None:  # noqa: B008 (frozen)
        self._loop = asyncio.new_event_loop()
        self._engine = HttpClient(SsrfGuard(allowed), outbound)
        self._thread = threading.Thread(target=self._loop.run_forever, name="channel-calls", daemon=True)
        self._thread.start()

    def http(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call and wait for its result."""
        try:
            return self.wait(self._engine.send(request), request.timeout_seconds + _GRACE_SECONDS)
        except TimeoutError:
            return HttpFailure(code="ETIMEDOUT", message="operation timed out")

    def wait(self, work: Coroutine[Any, Any, _T], timeout_seconds: float) -> _T:
        """Wait for a coroutine. Raises what it raises, and TimeoutError after cancelling it when the time is up."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout_seconds)
        finally:
            future.cancel()

    def close(self) -> None:
        """Close all connections and stop the thread."""
        self.wait(self._engine.close(), _CLOSE_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)
        self._loop.close()
