"""The reference HTTP engine: httpx, for wherever a person waits and as the second voice in the contract suite.

The URL's host is replaced by the checked address; the name goes into the Host header and, for TLS, into SNI and the
certificate check. One client per host and address, for httpx would otherwise share connections between names.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

import httpx
from pyreqwest.http import Url

from sinks.addresses import AddressGuard
from sinks.http import RESPONSE_BODY_LIMIT_BYTES, HttpFailure, HttpRequest, HttpResponse
from sinks.redirects import send_following
from sinks.transport_codes import code_of_errno

CONNECT_TIMEOUT_SECONDS = 3.0
IDLE_CONNECTION_TIMEOUT_SECONDS = 30.0
MAX_CLIENTS = 100
FIRST_FINAL_STATUS = 200
_CLOSED_EARLY = ("disconnected without sending", "closed connection without sending")


class HttpxEngine:
    """An `HttpEngine`. Belongs to one event loop."""

    def __init__(self, guard: AddressGuard, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._guard = guard
        self._monotonic = monotonic
        self._tls = ssl.create_default_context()
        self._clients: OrderedDict[tuple[str, str], httpx.AsyncClient] = OrderedDict()

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call; see `HttpEngine`."""
        return await send_following(self._exchange, request, self._monotonic)

    async def close(self) -> None:
        """Close all connections."""
        clients = list(self._clients.values())
        self._clients.clear()
        for client in clients:
            await client.aclose()

    async def _exchange(self, request: HttpRequest, url: Url, deadline: float) -> HttpResponse | HttpFailure:
        host = url.host_str or ""
        addresses = self._guard.known(host) or await self._guard.look_up(host, deadline - self._monotonic())
        if isinstance(addresses, HttpFailure):
            return addresses
        try:
            async with asyncio.timeout(deadline - self._monotonic()):
                return await self._try_each(host, addresses, request, url)
        except TimeoutError:
            return HttpFailure(code="ETIMEDOUT", message="operation timed out")
        except httpx.TransportError as error:
            return _failure(error)
        except (httpx.InvalidURL, ValueError, TypeError):  # its text may quote a header's value
            return HttpFailure(code="INVALID_SETTINGS", message="URL, method or headers make no valid request")

    async def _try_each(
        self, host: str, addresses: tuple[str, ...], request: HttpRequest, url: Url
    ) -> HttpResponse | HttpFailure:
        for address in addresses[:-1]:
            try:
                result = await _call(self._client(host, address), request, url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            self._guard.prefer(host, address)
            return result
        return await _call(self._client(host, addresses[-1]), request, url, addresses[-1])

    def _client(self, host: str, address: str) -> httpx.AsyncClient:
        key = (host, address)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = httpx.AsyncClient(
                verify=self._tls,
                trust_env=False,  # proxies of the environment are not the workspace's
                follow_redirects=False,
                headers={"accept-encoding": "identity"},
                timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_SECONDS),
                limits=httpx.Limits(keepalive_expiry=IDLE_CONNECTION_TIMEOUT_SECONDS),
            )
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)  # not closed: calls under way hold on to it
        else:
            self._clients.move_to_end(key)
        return client


async def _call(client: httpx.AsyncClient, request: HttpRequest, url: Url, address: str) -> HttpResponse | HttpFailure:
    name = (url.host_str or "").strip("[]")
    pinned = httpx.URL(str(url)).copy_with(host=address)
    host_header = url.authority.rpartition("@")[2]
    async with client.stream(
        request.method,
        pinned,
        headers={"host": host_header, **request.headers},
        content=request.body,
        extensions={"sni_hostname": name},
    ) as response:
        if response.status_code < FIRST_FINAL_STATUS:
            message = f"answered with interim status {response.status_code} only"
            return HttpFailure(code="PROTOCOL_ERROR", message=message)
        body = bytearray()
        async for chunk in response.aiter_raw():  # raw: nothing is unpacked, so nothing can blow up
            body += chunk
            if len(body) > RESPONSE_BODY_LIMIT_BYTES:
                break
        return HttpResponse(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.multi_items()},
            body=bytes(body[:RESPONSE_BODY_LIMIT_BYTES]),
            body_truncated=len(body) > RESPONSE_BODY_LIMIT_BYTES,
        )


def _failure(error: httpx.TransportError) -> HttpFailure:
    return HttpFailure(code=_code(error), message=str(error)[:300])


def _code(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "ETIMEDOUT"
    if isinstance(error, httpx.LocalProtocolError | httpx.UnsupportedProtocol):
        return "INVALID_SETTINGS"
    if isinstance(error, httpx.RemoteProtocolError):
        return "ECONNRESET" if any(words in str(error) for words in _CLOSED_EARLY) else "PROTOCOL_ERROR"
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            return "TLS_ERROR"
        if isinstance(cause, OSError) and cause.errno is not None:
            return code_of_errno(cause.errno)
    return "ECONNRESET"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk down what led to an error, into groups as well."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _causes(member)
    deeper = error.__cause__ or error.__context__
    if deeper is not None:
        yield from _causes(deeper)
