"""Whose address a request has, with and without proxies that are believed."""

import asyncio
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.ingest.proxy_headers import ProxyHeaders, forwarded, read_address

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")]
PROXY = "10.0.0.9"


def served(peer: str | None, *headers: tuple[str, str]) -> tuple[Any, str]:
    """The client's address and scheme as the app sees them."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["client"] and scope["client"][0], scope["scheme"]))

    scope = {
        "type": "http",
        "scheme": "http",
        "client": (peer, 1) if peer is not None else None,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    asyncio.run(ProxyHeaders(app, TRUSTED)(scope, None, None))  # type: ignore[arg-type]
    return seen[0]  # type: ignore[no-any-return]


XFF = "X-Forwarded-For"


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        (PROXY, []),
        ("203.0.113.5", [(XFF, "203.0.113.5")]),
        ("203.0.113.5", [(XFF, "203.0.113.5:4711")]),
        ("203.0.113.5", [(XFF, "1.2.3.4, 203.0.113.5")]),  # the client wrote the first one itself
        ("203.0.113.5", [(XFF, "1.2.3.4"), (XFF, "203.0.113.5")]),
        ("203.0.113.5", [(XFF, "1.2.3.4, 203.0.113.5, 10.1.1.1,10.2.2.2")]),
        ("10.1.1.1", [(XFF, "10.1.1.1, 10.2.2.2")]),  # all trusted: it began inside
        ("2001:db8::5", [(XFF, "2001:db8::5")]),
        ("2001:db8::5", [(XFF, "[2001:db8::5]:443, 2001:db8:1::1")]),
        ("203.0.113.5", [(XFF, "::ffff:203.0.113.5")]),
        (PROXY, [(XFF, "unknown")]),
        (PROXY, [(XFF, "203.0.113.5, garbage")]),
        (PROXY, [(XFF, ", ,")]),
        (PROXY, [(XFF, "999.1.1.1")]),
        ("203.0.113.5", [("Forwarded", "for=203.0.113.5;proto=http;by=10.0.0.9")]),
        ("203.0.113.5", [("Forwarded", 'for=1.2.3.4, For="203.0.113.5:4711", for=10.1.1.1')]),
        ("2001:db8::5", [("Forwarded", 'for="[2001:db8::5]:4711"')]),
        (PROXY, [("Forwarded", "for=_hidden")]),
        (PROXY, [("Forwarded", 'for=203.0.113.5, for="_gazonk"')]),
        (PROXY, [("Forwarded", 'for="')]),
        ("203.0.113.5", [("Forwarded", "for=1.2.3.4"), (XFF, "203.0.113.5")]),
    ],
)
def test_the_client_is_the_last_address_that_is_no_trusted_proxys(client: str, headers: list[tuple[str, str]]) -> None:
    assert served(PROXY, *headers) == (client, "http")


@pytest.mark.parametrize("peer", ["203.0.113.77", "127.0.0.1", "2001:db8::9", "", None])
def test_nobody_else_is_believed(peer: str | None) -> None:
    headers = ((XFF, "1.2.3.4"), ("X-Forwarded-Proto", "https"), ("Forwarded", "for=1.2.3.4;proto=https"))
    assert served(peer, *headers) == (peer, "http")


@pytest.mark.parametrize(
    ("scheme", "headers"),
    [
        ("https", [("X-Forwarded-Proto", "https")]),
        ("https", [("X-Forwarded-Proto", "http, HTTPS")]),
        ("https", [("Forwarded", "for=1.2.3.4;proto=https")]),
        ("http", [("X-Forwarded-Proto", "gopher")]),
        ("http", []),
    ],
)
def test_the_scheme_is_what_the_proxy_says(scheme: str, headers: list[tuple[str, str]]) -> None:
    assert served(PROXY, *headers)[1] == scheme


@given(st.lists(st.tuples(st.sampled_from([b"x-forwarded-for", b"forwarded", b"x-forwarded-proto"]), st.binary())))
def test_any_headers_are_read_or_ignored(headers: list[tuple[bytes, bytes]]) -> None:
    hops, scheme = forwarded(headers)
    assert isinstance(scheme, str)
    for hop in hops:
        read_address(hop)
