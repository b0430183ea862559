"""Finds the client behind load balancers, by X-Forwarded-For, X-Forwarded-Proto and Forwarded.

Anybody can send these headers, so they count only on requests from a trusted proxy, and only the part that trusted
proxies wrote: each appends the address of its peer, so the client is the last address that is not a trusted proxy's.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

Address = IPv4Address | IPv6Address
HOPS = 32  # that are read, from the last one back
LONGEST_VALUE_BYTES = 4_096
_PAIR = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]*))\s*')
_ELEMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^",])+')


class ProxyHeaders:
    """Replaces the proxy's address and scheme by the client's, in requests from ``trusted`` networks."""

    def __init__(self, app: ASGIApp, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        client = scope.get("client") if scope["type"] == "http" else None
        peer = read_address(client[0]) if client else None
        if client and peer is not None and self._is_trusted(peer):
            hops, scheme = forwarded(scope["headers"])
            scope = {**scope, "client": (str(self._client(peer, hops)), client[1])}
            if scheme in {"http", "https"}:
                scope["scheme"] = scheme
        await self._app(scope, receive, send)

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _client(self, peer: Address, hops: list[str]) -> Address:
        """Go back from the peer while hops are trusted; an unreadable hop ends the search."""
        found = peer
        for hop in reversed(hops[-HOPS:]):
            address = read_address(hop)
            if address is None:
                break
            found = address
            if not self._is_trusted(address):
                break
        return found


def forwarded(headers: Sequence[tuple[bytes, bytes]]) -> tuple[list[str], str]:
    """Return the addresses of the hops, first to last as written, and the client's scheme ('' if not given).

    ``X-Forwarded-For`` is preferred to ``Forwarded`` (RFC 7239): a proxy that writes one passes the other on unread.
    """
    values = {name: _joined(headers, name) for name in (b"x-forwarded-for", b"x-forwarded-proto", b"forwarded")}
    if values[b"x-forwarded-for"] or values[b"x-forwarded-proto"] or not values[b"forwarded"]:
        schemes = values[b"x-forwarded-proto"].split(",")
        hops = [hop.strip() for hop in values[b"x-forwarded-for"].split(",") if hop.strip()]
        return hops, schemes[-1].strip().lower()
    elements = [_pairs(element) for element in _ELEMENT.findall(values[b"forwarded"])]
    schemes = [pairs["proto"] for pairs in elements if "proto" in pairs]
    return [pairs.get("for", "") for pairs in elements], schemes[-1].lower() if schemes else ""


def read_address(text: str) -> Address | None:
    """Read 192.0.2.1, 192.0.2.1:4711, 2001:db8::1 or [2001:db8::1]:4711; None when it is none of them.

    An IPv4 address written as IPv6 (::ffff:192.0.2.1) is the IPv4 address.
    """
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _joined(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> str:
    """Join the lines of a header; '' if it is longer than any chain of proxies makes it."""
    value = b",".join(value for key, value in headers if key == name)
    return value.decode("latin-1") if len(value) <= LONGEST_VALUE_BYTES else ""


def _pairs(element: str) -> dict[str, str]:
    pairs = {}
    for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|[^";])+', element):
        pair = _PAIR.fullmatch(part)
        if pair:
            name, quoted, token = pair.groups()
            pairs[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token
    return pairs
