"""The HTTP engine of the hot path: pyreqwest (Rust reqwest), pinned to checked addresses.

reqwest fixes a host's address when a client is made, so there is one client per host and address; each keeps its
own connections alive. When a host moves, its new address gets a new client and the old one's connections idle out.
Behind a proxy there is one client per host: the proxy gets the name, after Waybill has resolved and checked it.
"""

import time
from asyncio import CancelledError
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import DetailedPyreqwestError
from pyreqwest.http import Url
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.body_watch import BodyWatch
from sinks.http.certificates import certificates_of
from sinks.http.engine import ACCEPT_ENCODING, UNNEEDED_BODY_SECONDS, Outbound, StartsTasks, waits_for_body
from sinks.http.proxies import proxy_of, said_by_proxy
from sinks.http.pyreqwest_errors import body_fault, failure_of, never_connected
from sinks.http.redirects import send_following
from sinks.http.response_body import LATE, LIST_HEADERS, merged, response_of
from sinks.http.ssrf_guard import SsrfGuard

# Leaves time for a second address within the usual 5 s. SYN packets are repeated after 1 s and 3 s.
CONNECT_TIMEOUT = timedelta(seconds=3)
IDLE_CONNECTION_TIMEOUT = timedelta(seconds=30)
MAX_CLIENTS = 500
FIRST_FINAL_STATUS = 200


class PyreqwestEngine(StartsTasks):
    """An `HttpEngine`. It belongs to the event loop of its first use.

    A cancelled call returns at once, but the library closes its connection only after the request's timeout.
    """

    def __init__(
        self,
        guard: SsrfGuard,
        outbound: Outbound = Outbound(),  # noqa: B008 (frozen)
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = guard
        self._proxy = proxy_of(outbound.proxy_url) if outbound.proxy_url else None
        self._certificates = certificates_of(outbound.ca_pem)
        self._monotonic = monotonic
        self._watch = BodyWatch(UNNEEDED_BODY_SECONDS, monotonic=monotonic)
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
        addresses = self._guard.cached(host) or await self._guard.look_up(host, deadline - self._monotonic())
        if isinstance(addresses, HttpFailure):
            return addresses
        proxied = self._proxy is not None and not request.direct
        if proxied:
            addresses = ("",)
        for address in addresses:
            remaining_seconds = deadline - self._monotonic()
            if remaining_seconds <= 0:
                break
            try:
                call = _built(self._client(host, address), request, url, remaining_seconds)
            except ValueError:  # also what the library's builder raises; its text may contain a header's value
                return HttpFailure(
                    code="INVALID_SETTINGS", message="URL, method or headers do not form a valid request"
                )
            try:
                result = await _answer(call, request, self._watch)
            except DetailedPyreqwestError as error:
                if address != addresses[-1] and never_connected(error):
                    continue
                failure = failure_of(error)
                return said_by_proxy(failure) if proxied else failure
            if address != addresses[0]:
                self._guard.promote(host, address)
            return said_by_proxy(result) if proxied else result
        return HttpFailure(code="ETIMEDOUT", message="no connection within the time limit")

    def _client(self, host: str, address: str) -> Client:
        """``address`` '': through the proxy."""
        key = (host, address)
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = self._make_client(host, address)
            if len(self._clients) > MAX_CLIENTS:
                self._clients.popitem(last=False)  # not closed: unfinished calls use it
        else:
            self._clients.move_to_end(key)
        return client

    def _make_client(self, host: str, address: str) -> Client:
        builder = (
            ClientBuilder()
            .no_proxy()  # ignore the environment's proxies
            .follow_redirects(False)
            .referer(False)
            .gzip(False)  # decoded by us, within the read limit
            .brotli(False)
            .zstd(False)
            .deflate(False)
            .default_headers({"accept-encoding": ACCEPT_ENCODING})
            # An invalid header does not invalidate the response.
            .http1_allow_obsolete_multiline_headers_in_responses(True)
            .http1_allow_spaces_after_header_name_in_responses(True)
            .http1_ignore_invalid_headers_in_responses(True)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
        )
        for certificate in self._certificates:
            builder = builder.add_root_certificate_pem(certificate)
        if address:
            # Port 0: the URL's own. An address as host needs no resolving and ignores this.
            builder = builder.resolve(host, address, 0)
        elif self._proxy is not None:
            proxy = ProxyBuilder.all(self._proxy.url)
            if self._proxy.username:
                proxy = proxy.basic_auth(self._proxy.username, self._proxy.password)
            builder = builder.proxy(proxy)
        return builder.build()


def _built(client: Client, request: HttpRequest, url: Url, timeout_seconds: float) -> StreamRequest:
    # The library's own timeout, not asyncio's: it covers the body too and closes the connection.
    builder = client.request(request.method, url).timeout(timedelta(seconds=timeout_seconds))
    # The body is read after the response exists: an error in it must not lose the status.
    return builder.headers(request.headers).body_bytes(request.body).streamed_read_buffer_limit(0).build_streamed()


async def _answer(call: StreamRequest, request: HttpRequest, watch: BodyWatch) -> HttpResponse | HttpFailure:
    """Make the call. Reads the body to its end, to one byte over the limit, or to an error."""
    async with call as response:
        status = response.status
        if status < FIRST_FINAL_STATUS:
            return HttpFailure(code="PROTOCOL_ERROR", message=f"answered with interim status {status} only")
        headers = _headers(response)
        length, limit_bytes = headers.get("content-length"), request.read_limit_bytes
        if length == "0":
            return response_of(status, headers, b"", limit_bytes=limit_bytes)
        raw, pieces, fault = b"", list[bytes](), ""
        task = None if waits_for_body(request, status) else watch.begin()
        try:
            reader = response.body_reader
            chunk = await reader.read_chunk()
            raw = bytes(chunk) if chunk is not None else b""
            if length is None or len(raw) != int(length):  # else the body is complete
                size_bytes = len(raw)
                while chunk is not None and size_bytes <= limit_bytes:
                    chunk = await reader.read_chunk()
                    if chunk is not None:
                        pieces.append(bytes(chunk))
                        size_bytes += len(chunk)
        except DetailedPyreqwestError as error:
            fault = body_fault(error)
        except CancelledError:
            if task is None or not watch.gave_up(task):
                raise
            fault = LATE
        finally:
            if task is not None:
                watch.end(task)
        if pieces:
            raw = b"".join((raw, *pieces))[: limit_bytes + 1]
        return response_of(status, headers, raw, limit_bytes=limit_bytes, fault=fault)


def _headers(response: Response) -> dict[str, str]:
    try:
        lines = list(response.headers.items())  # names are in lower case
    except ValueError:  # bytes that are no ASCII, which is legal; the library gives no access to them
        lines = _readable_headers(response)
    headers = dict(lines)
    return headers if len(headers) == len(lines) else merged(lines)


def _readable_headers(response: Response) -> list[tuple[str, str]]:
    pairs = []
    for name in dict.fromkeys(response.headers.keys()):
        try:
            pairs += [(name, value) for value in response.get_header_all(name)]
        except ValueError:
            if name in LIST_HEADERS:
                pairs.append((name, "(unreadable)"))  # whatever it is, the body is not plain
    return pairs
