"""The HTTP engine: a proxy of the workspace, authorities of its own, and faults of TLS."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from msgspec.structs import replace

from model.http.messages import HttpFailure
from sinks.http.engine import HttpEngine, Outbound
from sinks.http.ssrf_guard import SsrfGuard
from tests.kit.http_calls import LOOPBACK, MakeEngine, answer_of, code_of, post, resolves_to, run
from tests.kit.http_proxy import Proxy, proxying
from tests.kit.http_server import RawServer, answers, echoes, keeps_open

LOOPBACK_NAME = resolves_to("127.0.0.1")


@contextlib.asynccontextmanager
async def proxied(
    make_engine: MakeEngine,
    proxy: Proxy,
    resolver: Any = LOOPBACK_NAME,
    tls: ssl.SSLContext | None = None,
    **outbound: Any,
) -> AsyncIterator[tuple[HttpEngine, RawServer]]:
    async with proxying(proxy):
        server = await RawServer().start(tls=tls)
        server.on("/", echoes)
        guard = SsrfGuard(LOOPBACK, resolver=resolver)
        engine = make_engine(guard, Outbound(**{"proxy_url": proxy.url, **outbound}))
        try:
            yield engine, server
        finally:
            await engine.close()
            await server.stop()


def tls_of(authority: trustme.CA, name: str = "partner.test") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_http_goes_to_the_proxy_in_absolute_form(make_engine: MakeEngine) -> None:
    async def test() -> None:
        proxy = Proxy()
        async with proxied(make_engine, proxy) as (engine, server):
            url = f"http://partner.test:{server.port}/?a=1"
            answer = answer_of(await engine.send(post(url, body=b'{"n":1}', authorization="Bearer t")))
            assert (answer.status, answer.body) == (200, b'{"n":1}')
            assert proxy.asked == [f"POST {url}"]
            assert server.requests[0].headers["host"] == f"partner.test:{server.port}"
            assert server.requests[0].headers["authorization"] == "Bearer t"

    run(test())


def test_https_goes_through_a_tunnel_that_shows_the_proxy_the_name_alone(make_engine: MakeEngine) -> None:
    async def test() -> None:
        proxy, authority = Proxy(), trustme.CA()
        outbound = {"ca_pem": authority.cert_pem.bytes()}
        async with proxied(make_engine, proxy, tls=tls_of(authority), **outbound) as (engine, server):
            for number in range(2):
                request = post(f"https://partner.test:{server.port}/?key=s3cret", body=b"%d" % number, x_key="s3cret")
                assert answer_of(await engine.send(request)).body == b"%d" % number
            assert proxy.asked == [f"CONNECT partner.test:{server.port}"]
            assert "s3cret" not in proxy.heads[0]
            assert "proxy-authorization" not in server.requests[0].headers

    run(test())


def test_a_certificate_for_another_name_is_refused_behind_a_proxy_too(make_engine: MakeEngine) -> None:
    async def test() -> None:
        authority = trustme.CA()
        outbound = {"ca_pem": authority.cert_pem.bytes()}
        async with proxied(make_engine, Proxy(), tls=tls_of(authority, "other.test"), **outbound) as (engine, server):
            assert code_of(await engine.send(post(f"https://partner.test:{server.port}/"))) == "TLS_ERROR"
            assert not server.requests

    run(test())


def test_a_direct_call_goes_past_the_proxy(make_engine: MakeEngine) -> None:
    async def test() -> None:
        proxy = Proxy()
        async with proxied(make_engine, proxy) as (engine, server):
            request = replace(post(f"http://partner.test:{server.port}/"), direct=True)
            assert answer_of(await engine.send(request)).status == 200
            assert proxy.asked == []

    run(test())


@pytest.mark.parametrize("url", ["http://partner.test:{}/", "https://partner.test:{}/", "http://10.0.0.7:{}/"])
def test_the_proxy_is_not_asked_for_what_is_at_a_private_address(make_engine: MakeEngine, url: str) -> None:
    async def test() -> None:
        proxy = Proxy()
        async with proxied(make_engine, proxy, resolves_to("10.0.0.7")) as (engine, server):
            assert code_of(await engine.send(post(url.format(server.port)))) == "ADDRESS_REFUSED"
            assert proxy.asked == []

    run(test())


def test_the_proxy_is_not_asked_for_a_name_nobody_knows_here(make_engine: MakeEngine) -> None:
    async def resolve(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    async def test() -> None:
        proxy = Proxy()
        async with proxied(make_engine, proxy, resolve) as (engine, _):
            assert code_of(await engine.send(post("https://partner.test/"))) == "ENOTFOUND"
            assert proxy.asked == []

    run(test())


def test_a_redirect_is_followed_by_way_of_the_proxy_and_its_address_checked(make_engine: MakeEngine) -> None:
    async def test() -> None:
        proxy = Proxy()
        async with proxied(make_engine, proxy) as (engine, server):
            server.on("/old", answers(307, Location=f"http://partner.test:{server.port}/"))
            server.on("/inner", answers(308, Location="http://169.254.169.254/latest"))
            assert answer_of(await engine.send(post(f"http://partner.test:{server.port}/old"))).status == 200
            assert [line.rpartition("/")[2] for line in proxy.asked] == ["old", ""]
            refused = await engine.send(post(f"http://partner.test:{server.port}/inner"))
            assert code_of(refused) == "ADDRESS_REFUSED"
            assert len(proxy.asked) == 3

    run(test())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_wrong_credentials_for_the_proxy_are_not_the_destinations_answer(make_engine: MakeEngine, scheme: str) -> None:
    async def test() -> None:
        proxy = Proxy()
        async with proxying(proxy):
            wrong = Outbound(proxy_url=f"http://user:s3cret@127.0.0.1:{proxy.port}")
            engine = make_engine(SsrfGuard(LOOPBACK, resolver=LOOPBACK_NAME), wrong)
            result = await engine.send(post(f"{scheme}://partner.test:9/"))
            assert code_of(result) == "PROXY_AUTHENTICATION"
            assert isinstance(result, HttpFailure) and "s3cret" not in result.message
            await engine.close()

    run(test())


@pytest.mark.parametrize("status", [403, 502, 503, 504])
def test_a_proxy_that_makes_no_tunnel_is_named(make_engine: MakeEngine, status: int) -> None:
    async def test() -> None:
        async with proxied(make_engine, Proxy(refusal=status)) as (engine, server):
            result = await engine.send(post(f"https://partner.test:{server.port}/"))
            assert code_of(result) == "PROXY_ERROR"
            assert isinstance(result, HttpFailure) and "proxy" in result.message
            assert not server.requests

    run(test())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_away_is_a_passing_fault(make_engine: MakeEngine, scheme: str) -> None:
    async def test() -> None:
        with socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))  # bound, but nobody listens
            away = Outbound(proxy_url=f"http://127.0.0.1:{unheard.getsockname()[1]}")
            engine = make_engine(SsrfGuard(LOOPBACK, resolver=LOOPBACK_NAME), away)
            result = await engine.send(post(f"{scheme}://partner.test/"))
            assert code_of(result) == "ECONNREFUSED"
            assert isinstance(result, HttpFailure) and "proxy" in result.message
            await engine.close()

    run(test())


def test_a_proxy_that_says_nothing_costs_the_timeout_only(make_engine: MakeEngine) -> None:
    async def test() -> None:
        silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), "127.0.0.1", 0)
        url = f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}"
        engine = make_engine(SsrfGuard(LOOPBACK, resolver=LOOPBACK_NAME), Outbound(proxy_url=url))
        assert code_of(await engine.send(post("https://partner.test/", timeout_seconds=0.2))) == "ETIMEDOUT"
        await engine.close()
        silent.close()

    run(test())


def test_authorities_of_ones_own_are_trusted_besides_those_of_the_system(
    make_engine: MakeEngine, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    systems, first, second, strange = (trustme.CA() for _ in range(4))
    systems.cert_pem.write_to_path(tmp_path / "system.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    own = b"# ours\n" + first.cert_pem.bytes() + b"\n# and theirs\n" + second.cert_pem.bytes()

    async def test() -> None:
        engine = make_engine(SsrfGuard(LOOPBACK, resolver=LOOPBACK_NAME), Outbound(ca_pem=own))
        for authority, trusted in ((systems, True), (first, True), (second, True), (strange, False)):
            server = await RawServer().start(tls=tls_of(authority))
            server.on("/", answers(200))
            result = await engine.send(post(f"https://partner.test:{server.port}/"))
            assert (result.code if isinstance(result, HttpFailure) else result.status) == (
                200 if trusted else "TLS_ERROR"
            )
            await server.stop()
        await engine.close()

    run(test())


async def _ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)


async def _ends_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


async def _ends_midway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(5_000)
    writer.write(bytes([22, 3, 3, 0, 100, 2, 0, 0, 90, 3, 3]))  # the beginning of a ServerHello
    await writer.drain()


async def _resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _alerts(number: int) -> Any:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5_000)
        writer.write(bytes([21, 3, 3, 0, 2, 2, number]))
        await writer.drain()

    return say


@pytest.mark.parametrize(
    ("peer", "code"),
    [
        (_ends, "ECONNRESET"),
        (_ends_at_once, "ECONNRESET"),
        (_ends_midway, "ECONNRESET"),
        (_resets, "ECONNRESET"),
        (_alerts(0), "ECONNRESET"),
        (_alerts(80), "ECONNRESET"),
        (_alerts(90), "ECONNRESET"),
        (_alerts(40), "TLS_ERROR"),
        (_alerts(42), "TLS_ERROR"),
        (_alerts(48), "TLS_ERROR"),
        (_alerts(70), "TLS_ERROR"),
        (_alerts(112), "TLS_ERROR"),
    ],
    ids=["EOF", "EOF at once", "EOF midway", "reset", "close notify", "internal error", "user canceled",
         "handshake failure", "bad certificate", "unknown authority", "protocol version", "unrecognised name"],
)  # fmt: skip
def test_a_handshake_that_breaks_is_a_broken_connection_and_no_bad_certificate(
    make_engine: MakeEngine, peer: Any, code: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer(reader, writer)
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        engine = make_engine(SsrfGuard(LOOPBACK))
        port = server.sockets[0].getsockname()[1]
        result = await engine.send(post(f"https://127.0.0.1:{port}/"))
        assert code_of(result) == code
        assert isinstance(result, HttpFailure) and result.message
        await engine.close()
        server.close()

    run(test())


def test_an_expired_certificate_is_a_tls_error(make_engine: MakeEngine) -> None:
    async def test() -> None:
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        yesterday = datetime.now(UTC) - timedelta(days=1)
        authority.issue_cert("partner.test", not_after=yesterday).configure_cert(context)
        server = await RawServer().start(tls=context)
        engine = make_engine(SsrfGuard(LOOPBACK, resolver=LOOPBACK_NAME), Outbound(ca_pem=authority.cert_pem.bytes()))
        result = await engine.send(post(f"https://partner.test:{server.port}/"))
        assert code_of(result) == "TLS_ERROR"
        assert isinstance(result, HttpFailure) and "expired" in result.message
        await engine.close()
        await server.stop()

    run(test())


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"", "ECONNRESET"),
        (b"HTTP/1.1 200 Connection est", "ECONNRESET"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "PROXY_ERROR"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "PROXY_ERROR"),
        (b"HTTP/1.1 407 Who\r\n\r\n", "PROXY_AUTHENTICATION"),
        (b"x" * 300_000, "PROXY_ERROR"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 400 Bad Request\r\n\r\n", "PROXY_ERROR"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "TLS_ERROR"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "ECONNRESET"),
    ],
    ids=["closes", "cut", "not HTTP", "redirect", "credentials", "without end", "bytes after the head", "no TLS inside",
         "tunnel closes"],
)  # fmt: skip
def test_a_proxy_that_misbehaves_is_named(make_engine: MakeEngine, said: bytes, code: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        if code == "TLS_ERROR":
            await reader.read(5_000)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        outbound = Outbound(proxy_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        engine = make_engine(SsrfGuard(LOOPBACK, resolver=LOOPBACK_NAME), outbound)
        result = await engine.send(post("https://partner.test/"))
        assert code_of(result) == code
        assert isinstance(result, HttpFailure) and "proxy" in result.message
        await engine.close()
        server.close()

    run(test())


@pytest.mark.parametrize("said", ["", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"], ids=["nothing", "half"])
def test_an_encrypted_connection_that_ends_without_a_word_is_a_broken_one(make_engine: MakeEngine, said: str) -> None:
    async def test() -> None:
        authority = trustme.CA()
        server = await RawServer().start(tls=tls_of(authority))

        async def breaks(seen: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            writer.write(said.encode())
            await writer.drain()
            await asyncio.sleep(0.05)
            writer.transport.abort()  # no close_notify
            return False

        server.on("/", breaks)
        guard = SsrfGuard(LOOPBACK, resolver=LOOPBACK_NAME)
        engine = make_engine(guard, Outbound(ca_pem=authority.cert_pem.bytes()))
        result = await engine.send(post(f"https://partner.test:{server.port}/"))
        if said:
            answer = answer_of(result)
            assert (answer.status, answer.body) == (200, b"half") and answer.body_fault
        else:
            assert code_of(result) == "ECONNRESET"
        await engine.close()
        await server.stop()

    run(test())


def test_a_body_that_does_not_end_leaves_the_status_over_tls_and_a_proxy(make_engine: MakeEngine) -> None:
    async def test() -> None:
        authority = trustme.CA()
        outbound = {"ca_pem": authority.cert_pem.bytes()}
        async with proxied(make_engine, Proxy(), tls=tls_of(authority), **outbound) as (engine, server):
            server.on("/", keeps_open("HTTP/1.1 200 OK\r\nX: \xe4\r\nContent-Length: 100\r\n\r\nhalf"))
            answer = answer_of(await engine.send(post(f"https://partner.test:{server.port}/", timeout_seconds=0.5)))
            assert (answer.status, answer.body) == (200, b"half") and answer.body_fault

    run(test())
