"""The HTTP engine: HTTP/1.1 on asyncio's protocols, with callbacks and without a task for each call.

`HttpClient` owns what calls share. `HttpCall` is one call: its address, connection, deadline and redirects.
"""

import asyncio
import time
from collections.abc import Callable

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.connecting import Connector
from sinks.http.connection import HttpConnection
from sinks.http.deadlines import Deadlines
from sinks.http.engine import Done, Outbound
from sinks.http.pool import ConnectionPool
from sinks.http.proxies import named_by_proxy, said_by_proxy
from sinks.http.requests import MAX_HOPS, SAME_METHOD_AND_BODY, for_hop, next_hop, request_head
from sinks.http.response_body import LATE
from sinks.http.ssrf_guard import SsrfGuard
from sinks.http.transport_codes import failure_of
from sinks.http.urls import HttpUrl, parsed_url

UNNEEDED_BODY_SECONDS = 1.0  # limit of the wait for a body that is not needed, after its status
_ALWAYS_READ = 207  # its body has a result per item


class HttpClient:
    """An `HttpEngine`. It belongs to the event loop of its first call."""

    def __init__(self, guard: SsrfGuard, outbound: Outbound = Outbound()) -> None:  # noqa: B008 (frozen)
        self.guard = guard
        self.pool = ConnectionPool()
        self.connector = Connector(outbound, self.pool)
        self.deadlines = Deadlines()

    def start(self, request: HttpRequest, done: Done) -> Callable[[], None]:
        """See `HttpEngine`."""
        call = HttpCall(self, request, done)
        call.begin()
        return call.abort

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """See `HttpEngine`."""
        result: asyncio.Future[HttpResponse | HttpFailure] = asyncio.get_running_loop().create_future()
        abort = self.start(request, lambda received: None if result.done() else result.set_result(received))
        try:
            return await result
        except asyncio.CancelledError:
            abort()
            raise

    async def close(self) -> None:
        """See `HttpEngine`."""
        for call in self.deadlines.calls():
            call.end_early(HttpFailure(code="ECONNABORTED", message="Waybill stops"))
        await self.pool.close()


class HttpCall:
    """One call. Its connection and its task end with it."""

    __slots__ = (
        "_client",
        "_connection",
        "_done",
        "_head",
        "_hops",
        "_proxied",
        "_request",
        "_task",
        "_until",
        "_url",
        "has_no_body",
        "limit_bytes",
        "tick",
    )

    def __init__(self, client: HttpClient, request: HttpRequest, done: Done) -> None:
        self.tick = 0
        self.limit_bytes = request.read_limit_bytes
        self.has_no_body = request.method == "HEAD"
        self._client = client
        self._request = request
        self._done: Done | None = done
        self._until = time.monotonic() + request.timeout_seconds
        self._proxied = client.connector.proxy is not None and not request.direct
        self._hops = 0
        self._head = b""
        self._connection: HttpConnection | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Start the call; ``done`` is not called before this returns."""
        self._client.deadlines.put(self, self._until)
        try:
            url = parsed_url(self._request.url)
        except ValueError as error:
            self._end_soon(HttpFailure(code="INVALID_SETTINGS", message=f"the URL is not valid: {error}"))
        else:
            self._send_to(url)

    def abort(self) -> None:
        """End the call without a result."""
        self._done = None
        self._release()

    def expire(self) -> None:
        """End the call because its time is up: with a response, if its status was received."""
        if self._connection is not None:
            self._connection.give_up(LATE)
        elif self._task is not None:
            self.end_early(HttpFailure(code="ETIMEDOUT", message="no connection within the time limit"))

    def end_early(self, failure: HttpFailure) -> None:
        """End the call whatever it waits for."""
        self._release()
        self._end(failure)

    # Called by the connection.

    def awaits_body(self, status: int) -> None:
        if not self._needs_body(status):
            self._client.deadlines.put(self, min(self._until, time.monotonic() + UNNEEDED_BODY_SECONDS))

    def finished(self, result: HttpResponse | HttpFailure) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        if connection.is_reusable:
            self._client.pool.put(connection)
        else:
            connection.abort()
        if self._proxied:
            result = said_by_proxy(result)
        if isinstance(result, HttpResponse) and result.status in SAME_METHOD_AND_BODY and self._hops < MAX_HOPS:
            hop = next_hop(self._url, result.headers.get("location", ""))
            if hop is not None:
                self._hops += 1
                self._request = for_hop(self._request, self._url, hop)
                self._client.deadlines.put(self, self._until)
                self._send_to(hop)
                return
        self._end(result)

    def _needs_body(self, status: int) -> bool:
        if status in SAME_METHOD_AND_BODY:
            return False  # a redirect: its body must not take the time of the next hop
        return self._request.needs_body or status == _ALWAYS_READ

    def _send_to(self, url: HttpUrl) -> None:
        request, client = self._request, self._client
        self._url = url
        headers, target = request.headers, url.path
        if self._proxied and url.scheme == "http":
            assert client.connector.proxy is not None
            headers, target = {**headers, **client.connector.proxy.headers}, url.text
        try:
            self._head = request_head(request.method, target, url.authority, headers, len(request.body))
        except ValueError:  # not quoted: it may contain the value of a header
            message = "URL, method or headers do not form a valid request"
            self._end_soon(HttpFailure(code="INVALID_SETTINGS", message=message))
            return
        addresses = client.guard.cached(url.host)
        if isinstance(addresses, HttpFailure):
            self._end_soon(addresses)
            return
        if addresses is not None:
            connection = client.pool.take((url.scheme, url.authority, "" if self._proxied else addresses[0]))
            if connection is not None:
                self._send_over(connection)
                return
        self._task = asyncio.get_running_loop().create_task(self._connect(url, addresses))

    async def _connect(self, url: HttpUrl, addresses: tuple[str, ...] | None) -> None:
        try:
            result = await self._find_connection(url, addresses)
        except Exception as error:  # a bug must not leave the call without a result
            result = HttpFailure(code="INTERNAL", message=f"{type(error).__name__} while connecting")
        self._task = None
        if isinstance(result, HttpFailure):
            self._end(result)
        elif self._done is None:  # aborted at the moment when the connection was made
            result.abort()
        elif result.is_usable():
            self._send_over(result)
        else:
            self._end(failure_of(None))

    async def _find_connection(self, url: HttpUrl, addresses: tuple[str, ...] | None) -> HttpConnection | HttpFailure:
        client = self._client
        found = addresses or await client.guard.look_up(url.host, self._until - time.monotonic())
        if isinstance(found, HttpFailure):
            return found
        if self._proxied:
            result = await self._take_or_connect(url, "")
            return named_by_proxy(result) if isinstance(result, HttpFailure) else result
        for address in found:
            result = await self._take_or_connect(url, address)
            if isinstance(result, HttpConnection):
                client.guard.promote(url.host, address)
                break
        return result

    async def _take_or_connect(self, url: HttpUrl, address: str) -> HttpConnection | HttpFailure:
        pooled = self._client.pool.take((url.scheme, url.authority, address))
        return pooled or await self._client.connector.connect(url, address)

    def _send_over(self, connection: HttpConnection) -> None:
        self._connection = connection
        connection.send(self, self._head, self._request.body)

    def _release(self) -> None:
        self._client.deadlines.remove(self)
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _end_soon(self, failure: HttpFailure) -> None:
        asyncio.get_running_loop().call_soon(self._end, failure)

    def _end(self, result: HttpResponse | HttpFailure) -> None:
        self._client.deadlines.remove(self)
        done, self._done = self._done, None
        if done is None:
            return
        try:
            done(result)
        except Exception as error:  # must not reach the connection, which may serve another call already
            message = "the callback of an HTTP call failed"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
