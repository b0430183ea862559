"""Opens connections: TCP to a checked address or to the proxy, the proxy's tunnel, and TLS."""

import asyncio
import socket
import ssl
from functools import cached_property
from typing import Any

from model.http.messages import HttpFailure
from sinks.http.certificates import tls_context
from sinks.http.connection import ConnectionOwner, HttpConnection
from sinks.http.engine import Outbound
from sinks.http.proxies import PROXY_AUTHENTICATION_REQUIRED, REFUSED_CREDENTIALS, Proxy, proxy_of
from sinks.http.response_head import MAX_HEAD_BYTES, end_of_head, parsed_head
from sinks.http.ssrf_guard import system_resolver
from sinks.http.transport_codes import failure_of
from sinks.http.urls import HttpUrl

# Leaves time for a second address within the usual 5 s. SYN packets are repeated after 1 s and 3 s.
CONNECT_SECONDS = 3.0
_CLOSE_NOTIFY_SECONDS = 1.0
_RECEIVE_BYTES = 4_096


class Connector:
    """Opens connections for an engine."""

    def __init__(self, outbound: Outbound, owner: ConnectionOwner) -> None:
        self.proxy = proxy_of(outbound.proxy_url) if outbound.proxy_url else None
        self._ca_pem = outbound.ca_pem
        self._owner = owner

    async def connect(self, url: HttpUrl, address: str) -> HttpConnection | HttpFailure:
        """Open a connection to ``address``; '' goes through the proxy. Nothing of a request is sent yet."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if address:
                    return await self._open(url, address, host=address, port=url.port)
                assert self.proxy is not None
                sock = await _tcp_to_proxy(self.proxy)
                if url.scheme == "https" and (refusal := await _tunnel(sock, url, self.proxy)):
                    return refusal
                return await self._open(url, address, sock=sock)
        except TimeoutError as error:
            message = error.strerror or f"no connection within {CONNECT_SECONDS:g} seconds"
            return HttpFailure(code="ETIMEDOUT", message=message)
        except OSError as error:
            return failure_of(error)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return tls_context(self._ca_pem)

    async def _open(self, url: HttpUrl, address: str, **to: Any) -> HttpConnection:
        """``to``: an address and port, or a connected socket."""
        tls: dict[str, Any] = {}
        if url.scheme == "https":
            name = url.host.removesuffix(".")  # certificates have names without the dot of the root
            tls = {"ssl": self._tls, "server_hostname": name, "ssl_shutdown_timeout": _CLOSE_NOTIFY_SECONDS}
        connection = HttpConnection((url.scheme, url.authority, address), self._owner)
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: connection, **to, **tls)
        except BaseException:  # such as an abort: uvloop closes the socket then and does not tell the connection
            self._owner.lost(connection)
            raise
        return connection


async def _tcp(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except BaseException:
        sock.close()
        raise
    return sock


async def _tcp_to_proxy(proxy: Proxy) -> socket.socket:
    *others, last = await system_resolver(proxy.host)
    for address in others:
        try:
            return await _tcp(address, proxy.port)
        except OSError:
            continue
    return await _tcp(last, proxy.port)


async def _tunnel(sock: socket.socket, url: HttpUrl, proxy: Proxy) -> HttpFailure | None:
    """Ask the proxy for a tunnel; only host and port are shown to it. Returns why it refused, or None."""
    loop = asyncio.get_running_loop()
    name = f"[{url.host}]" if ":" in url.host else url.host
    lines = [f"{header}: {value}\r\n" for header, value in proxy.headers.items()]
    target = f"{name}:{url.port}"
    try:
        await loop.sock_sendall(sock, f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n{''.join(lines)}\r\n".encode())
        received, end, begin_tunnel = b"", -1, -1
        while end < 0 and len(received) < MAX_HEAD_BYTES:
            data = await loop.sock_recv(sock, _RECEIVE_BYTES)
            if not data:
                raise ConnectionResetError("the proxy closed the connection")
            received += data
            end, begin_tunnel = end_of_head(received, 0)
        status = parsed_head(received[:end]).status
        if 200 <= status < 300 and len(received) > begin_tunnel:
            raise ValueError("the tunnel starts with bytes that nobody asked for")
    except ValueError as error:
        sock.close()
        return HttpFailure(code="PROXY_ERROR", message=str(error))
    except BaseException:
        sock.close()
        raise
    if 200 <= status < 300:
        return None
    sock.close()
    if status == PROXY_AUTHENTICATION_REQUIRED:
        return REFUSED_CREDENTIALS
    return HttpFailure(code="PROXY_ERROR", message=f"the proxy responded {status} instead of opening a tunnel")
