"""The reference HTTP engine: httpx, for wherever a person waits and as the second voice in the contract suite.

The URL's host is replaced by the checked address; the name goes into the Host header and, for TLS, into SNI and the
certificate check. One pool per host and address, for connections would otherwise be shared between names.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator

import httpx
from pyreqwest.http import Url

from model.http import RESPONSE_BODY_LIMIT_BYTES, HttpFailure, HttpRequest, HttpResponse
from sinks.addresses import AddressGuard
from sinks.redirects import send_following
from sinks.transport_codes import code_of_errno

CONNECT_TIMEOUT_SECONDS = 3.0
IDLE_CONNECTION_TIMEOUT_SECONDS = 30.0
MAX_POOLS = 100
FIRST_FINAL_STATUS = 200
_CLOSED_EARLY = ("disconnected without sending", "closed connection without sending")


class HttpxEngine:
    """An `HttpEngine`. Belongs to one event loop."""

    def __init__(self, guard: AddressGuard, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._guard = guard
        self._monotonic = monotonic
        self._tls = ssl.create_default_context()
        self._pools: OrderedDict[tuple[str, str], httpx.AsyncHTTPTransport] = OrderedDict()

    async def send(self, request: HttpRequest) -> HttpResponse | HttpFailure:
        """Make one call; see `HttpEngine`."""
        return await send_following(self._exchange, request, self._monotonic)

    async def close(self) -> None:
        """Close all connections."""
        pools = list(self._pools.values())
        self._pools.clear()
        for pool in pools:
            await pool.aclose()

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
        except (httpx.LocalProtocolError, httpx.InvalidURL, ValueError):  # its text may quote a header's value
            return HttpFailure(code="INVALID_SETTINGS", message="URL, method or headers make no valid request")
        except httpx.TransportError as error:
            return HttpFailure(code=_code(error), message=str(error)[:300])

    async def _try_each(
        self, host: str, addresses: tuple[str, ...], request: HttpRequest, url: Url
    ) -> HttpResponse | HttpFailure:
        for address in addresses[:-1]:
            try:
                result = await _call(self._pool(host, address), request, url, address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            self._guard.prefer(host, address)
            return result
        return await _call(self._pool(host, addresses[-1]), request, url, addresses[-1])

    def _pool(self, host: str, address: str) -> httpx.AsyncHTTPTransport:
        key = (host, address)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = httpx.AsyncHTTPTransport(
                verify=self._tls,
                trust_env=False,  # proxies of the environment are not the workspace's
                limits=httpx.Limits(keepalive_expiry=IDLE_CONNECTION_TIMEOUT_SECONDS),
            )
            if len(self._pools) > MAX_POOLS:
                self._pools.popitem(last=False)  # not closed: calls under way hold on to it
        else:
            self._pools.move_to_end(key)
        return pool


async def _call(
    pool: httpx.AsyncHTTPTransport, request: HttpRequest, url: Url, address: str
) -> HttpResponse | HttpFailure:
    # The bare transport: a client would add headers of its own, look into redirects and refuse odd ones.
    pinned = httpx.Request(
        request.method,
        httpx.URL(str(url)).copy_with(host=address),
        headers={"host": url.authority.rpartition("@")[2], **request.headers},
        content=request.body,
        extensions={
            "sni_hostname": (url.host_str or "").strip("[]"),
            "timeout": {"connect": CONNECT_TIMEOUT_SECONDS},
        },
    )
    response = await pool.handle_async_request(pinned)
    try:
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
    finally:
        await response.aclose()


def _code(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "ETIMEDOUT"
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
