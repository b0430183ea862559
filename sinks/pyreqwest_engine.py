"""The HTTP engine of the hot path: pyreqwest (Rust reqwest), pinned to checked addresses.

reqwest fixes a host's address when a client is made, so there is one client per host and address; each keeps its
own connections alive. When a host moves, its new address gets a new client and the old one's connections idle out.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DecodeError, DetailedPyreqwestError, NetworkError, RequestTimeoutError
from pyreqwest.http import Url

from model.http import RESPONSE_BODY_LIMIT_BYTES, HttpFailure, HttpRequest, HttpResponse
from sinks.addresses import AddressGuard
from sinks.redirects import send_following
from sinks.transport_codes import code_of_errno

# Leaves time for a second address within the usual 5 s. SYN packets are repeated after 1 s and 3 s.
CONNECT_TIMEOUT = timedelta(seconds=3)
IDLE_CONNECTION_TIMEOUT = timedelta(seconds=30)
MAX_CLIENTS = 500
FIRST_FINAL_STATUS = 200

_CLOSED_EARLY = ("connection closed before message completed", "end of file before message length reached")
_TLS_WORDS = ("certificate", "tls", "handshake", "corrupt message")


class PyreqwestEngine:
    """An `HttpEngine`. May be made on any thread; then belongs to the event loop it is first used on.

    A cancelled call is given up at once, but the library ends its connection only when the request's timeout is over.
    """

    def __init__(self, guard: AddressGuard, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._guard = guard
        self._monotonic = monotonic
        self._clients: OrderedDict[tuple[str, str], Client] = OrderedDict()

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call; see `HttpEngine`."""
        return await send_following(self._exchange, request, self._monotonic)

    async def close(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.close()

    async def _exchange(self, request: HttpRequest, url: Url, deadline: float) -> HttpResponse | HttpFailure:
        host = url.host_str or ""
        addresses = self._guard.known(host) or await self._guard.look_up(host, deadline - self._monotonic())
        if isinstance(addresses, HttpFailure):
            return addresses
        for address in addresses:
            remaining_seconds = deadline - self._monotonic()
            if remaining_seconds <= 0:
                break
            try:
                result = await _call(self._client(host, address), request, url, remaining_seconds)
            except ValueError:  # also what the library's builder raises; its text may quote a header's value
                return HttpFailure(code="INVALID_SETTINGS", message="URL, method or headers make no valid request")
            except DetailedPyreqwestError as error:
                if address != addresses[-1] and _never_connected(error):
                    continue
                return _failure(error)
            if address != addresses[0]:
                self._guard.prefer(host, address)
            return result
        return HttpFailure(code="ETIMEDOUT", message="the time was up before a connection came about")

    def _client(self, host: str, address: str) -> Client:
        key = (host, address)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = _make_client(host, address)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)  # not closed: calls under way hold on to it
        else:
            self._clients.move_to_end(key)
        return client


def _make_client(host: str, address: str) -> Client:
    return (
        ClientBuilder()
        .no_proxy()  # proxies of the environment are not the workspace's
        .follow_redirects(False)
        .referer(False)
        .gzip(False)  # nothing is unpacked, so nothing can blow up; and no Accept-Encoding is sent
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
        .resolve(host, address, 0)  # port 0: the URL's own. An address as host needs no resolving and ignores this
        .build()
    )


async def _call(client: Client, request: HttpRequest, url: Url, timeout_seconds: float) -> HttpResponse | HttpFailure:
    # The library's own timeout, not asyncio's: it covers the body too and really ends the connection.
    builder = client.request(request.method, url).timeout(timedelta(seconds=timeout_seconds))
    async with builder.headers(request.headers).body_bytes(request.body).build_streamed() as response:
        if response.status < FIRST_FINAL_STATUS:
            return HttpFailure(code="PROTOCOL_ERROR", message=f"answered with interim status {response.status} only")
        headers = {name.lower(): value for name, value in response.headers.items()}
        # Reads until the limit or the end. One byte more than we keep, to see whether there was more.
        body = bytes(await response.body_reader.read(RESPONSE_BODY_LIMIT_BYTES + 1) or b"")
        return HttpResponse(
            status=response.status,
            headers=headers,
            body=body[:RESPONSE_BODY_LIMIT_BYTES],
            body_truncated=len(body) > RESPONSE_BODY_LIMIT_BYTES,
        )


def _causes(error: DetailedPyreqwestError) -> list[str]:
    return [cause["message"] for cause in error.details["causes"] or ()]


def _never_connected(error: DetailedPyreqwestError) -> bool:
    return "client error (Connect)" in _causes(error)


def _failure(error: DetailedPyreqwestError) -> HttpFailure:
    # Only the innermost cause: the outer ones quote the URL, and a URL may hold a key.
    causes = _causes(error)
    message = causes[-1] if causes else error.message
    return HttpFailure(code=_code(error, message), message=message[:300])


def _code(error: DetailedPyreqwestError, message: str) -> str:
    if isinstance(error, RequestTimeoutError):
        return "ETIMEDOUT"
    number = re.search(r"\(os error (\d+)\)", message)
    if number:
        return code_of_errno(int(number[1]))
    if message in _CLOSED_EARLY:
        return "ECONNRESET"
    if isinstance(error, DecodeError):
        return "PROTOCOL_ERROR"
    if any(word in message.lower() for word in _TLS_WORDS):
        return "TLS_ERROR"
    return "ECONNRESET" if isinstance(error, NetworkError) else "INTERNAL"
