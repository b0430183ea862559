"""The reference HTTP engine: httpx, for calls that a person waits for, and as the reference in the contract suite.

The URL's host is replaced by the checked address; the name goes into the Host header and, for TLS, into SNI and the
certificate check. One pool per host and address, because connections would otherwise be shared between names. A
proxy gets the name, after Waybill has resolved and checked it.
"""

import asyncio
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable

import httpx
from pyreqwest.http import Url

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.certificates import certificates_of
from sinks.http.engine import ACCEPT_ENCODING, UNNEEDED_BODY_SECONDS, Outbound, StartsTasks, waits_for_body
from sinks.http.httpx_errors import body_fault, failure_of
from sinks.http.proxies import proxy_of, said_by_proxy
from sinks.http.redirects import send_following
from sinks.http.response_body import LATE, merged, response_of
from sinks.http.ssrf_guard import SsrfGuard

CONNECT_TIMEOUT_SECONDS = 3.0
IDLE_CONNECTION_TIMEOUT_SECONDS = 30.0
MAX_POOLS = 100
FIRST_FINAL_STATUS = 200


class HttpxEngine(StartsTasks):
    """An `HttpEngine`. Belongs to one event loop."""

    def __init__(
        self,
        guard: SsrfGuard,
        outbound: Outbound = Outbound(),  # noqa: B008 (frozen)
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = guard
        self._proxy = proxy_of(outbound.proxy_url) if outbound.proxy_url else None
        self._monotonic = monotonic
        self._tls = ssl.create_default_context()
        if outbound.ca_pem:
            self._tls.load_verify_locations(cadata=b"".join(certificates_of(outbound.ca_pem)).decode("ascii"))
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
        addresses = self._guard.cached(host) or await self._guard.look_up(host, deadline - self._monotonic())
        if isinstance(addresses, HttpFailure):
            return addresses
        proxied = self._proxy is not None and not request.direct
        result = await self._call(host, ("",) if proxied else addresses, request, url, deadline)
        return said_by_proxy(result) if proxied else result

    async def _call(
        self, host: str, addresses: tuple[str, ...], request: HttpRequest, url: Url, deadline: float
    ) -> HttpResponse | HttpFailure:
        try:
            async with asyncio.timeout(deadline - self._monotonic()):
                response = await self._try_each(host, addresses, request, url)
        except TimeoutError:
            return HttpFailure(code="ETIMEDOUT", message="operation timed out")
        except (httpx.LocalProtocolError, httpx.InvalidURL, ValueError):  # its text may contain a header's value
            return HttpFailure(code="INVALID_SETTINGS", message="URL, method or headers do not form a valid request")
        except httpx.TransportError as error:
            return failure_of(error)
        return await self._answer(response, request, deadline)

    async def _try_each(self, host: str, addresses: tuple[str, ...], request: HttpRequest, url: Url) -> httpx.Response:
        for address in addresses[:-1]:
            try:
                response = await self._pool(host, address).handle_async_request(_pinned(request, url, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            self._guard.promote(host, address)
            return response
        last = addresses[-1]
        return await self._pool(host, last).handle_async_request(_pinned(request, url, last))

    async def _answer(
        self, response: httpx.Response, request: HttpRequest, deadline: float
    ) -> HttpResponse | HttpFailure:
        try:
            if response.status_code < FIRST_FINAL_STATUS:
                message = f"answered with interim status {response.status_code} only"
                return HttpFailure(code="PROTOCOL_ERROR", message=message)
            remaining_seconds = deadline - self._monotonic()
            if not waits_for_body(request, response.status_code):
                remaining_seconds = min(remaining_seconds, UNNEEDED_BODY_SECONDS)
            limit_bytes = request.read_limit_bytes
            raw, fault = await _read(response, limit_bytes, remaining_seconds)
            headers = merged((name.lower(), value) for name, value in response.headers.multi_items())
            return response_of(response.status_code, headers, raw, limit_bytes=limit_bytes, fault=fault)
        finally:
            await response.aclose()

    def _pool(self, host: str, address: str) -> httpx.AsyncHTTPTransport:
        """``address`` '': through the proxy."""
        key = (host, address)
        pool = self._pools.get(key)
        if pool is None:
            proxy = None
            if not address and self._proxy is not None:
                named = (self._proxy.username, self._proxy.password) if self._proxy.username else None
                proxy = httpx.Proxy(self._proxy.url, auth=named)
            pool = self._pools[key] = httpx.AsyncHTTPTransport(
                verify=self._tls,
                proxy=proxy,
                trust_env=False,  # ignore the environment's proxies
                limits=httpx.Limits(keepalive_expiry=IDLE_CONNECTION_TIMEOUT_SECONDS),
            )
            if len(self._pools) > MAX_POOLS:
                self._pools.popitem(last=False)  # not closed: unfinished calls use it
        else:
            self._pools.move_to_end(key)
        return pool


def _pinned(request: HttpRequest, url: Url, address: str) -> httpx.Request:
    # The bare transport: a client would add headers, follow redirects and refuse unusual responses.
    extensions: dict[str, object] = {"timeout": {"connect": CONNECT_TIMEOUT_SECONDS}}
    called = httpx.URL(str(url))
    if address:
        called = called.copy_with(host=address)
        extensions["sni_hostname"] = (url.host_str or "").strip("[]")
    return httpx.Request(
        request.method,
        called,
        headers={
            "host": url.authority.rpartition("@")[2],
            "accept-encoding": ACCEPT_ENCODING,
            **request.headers,
        },
        content=request.body,
        extensions=extensions,
    )


async def _read(response: httpx.Response, limit_bytes: int, timeout_seconds: float) -> tuple[bytes, str]:
    """Read to the end, to one byte over the limit, or to an error, which is returned with what was read before."""
    body = bytearray()
    fault = ""
    try:
        async with asyncio.timeout(timeout_seconds):
            async for chunk in response.aiter_raw():  # raw: decoded by us, within the read limit
                body += chunk
                if len(body) > limit_bytes:
                    break
    except TimeoutError:
        fault = LATE
    except httpx.TransportError as error:
        fault = LATE if isinstance(error, httpx.TimeoutException) else body_fault(error)
    return bytes(body[: limit_bytes + 1]), fault
