"""The HTTP engine: redirects and TLS."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from sinks.http.ssrf_guard import SsrfGuard
from tests.kit.http_calls import (
    LOOPBACK,
    MakeEngine,
    Rebinding,
    answer_of,
    code_of,
    post,
    resolves_to,
    run,
    served,
)
from tests.kit.http_server import (
    RawServer,
    answers,
    echoes,
    hangs,
)


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_is_followed_with_method_body_and_headers(make_engine: MakeEngine, status: int) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/old", answers(status, Location="/new?x=1"))
            server.on("/new", echoes)
            request = post(f"http://127.0.0.1:{server.port}/old", body=b'{"a":1}', authorization="Bearer t", x_key="k")
            answer = answer_of(await engine.send(request))
            assert (answer.status, answer.body) == (200, b'{"a":1}')
            assert server.requests[1].target == "/new?x=1"
            assert server.requests[1].headers["authorization"] == "Bearer t"
            assert server.requests[1].headers["x-key"] == "k"

    run(test())


def test_another_origin_gets_no_credentials(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server), served(make_engine) as (_, other):
            server.on("/", answers(307, Location=f"http://127.0.0.1:{other.port}/"))
            other.on("/", echoes)
            request = post(
                f"http://127.0.0.1:{server.port}/",
                body=b"{}",
                Authorization="Bearer t",
                Cookie="c=1",
                X_Api_Key="k",
                Content_Type="application/json",
                Idempotency_Key="i-1",
            )
            assert answer_of(await engine.send(request)).status == 200
            (seen,) = other.requests
            assert not {"authorization", "cookie", "x-api-key"} & seen.headers.keys()
            assert (seen.headers["content-type"], seen.headers["idempotency-key"]) == ("application/json", "i-1")
            assert seen.body == b"{}"

    run(test())


def test_a_redirect_loop_ends_after_three_hops_with_the_redirect(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(307, Location="/"))
            assert answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))).status == 307
            assert len(server.requests) == 4

    run(test())


@pytest.mark.parametrize("location", ["", "ftp://127.0.0.1/", "http://", "http://[::1", "javascript:alert(1)"])
def test_a_redirect_to_nowhere_is_the_answer(make_engine: MakeEngine, location: str) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(307, Location=location) if location else answers(307))
            assert answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))).status == 307

    run(test())


def test_a_redirect_to_a_private_address_is_refused(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(307, Location="http://169.254.169.254/latest/meta-data"))
            assert code_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))) == "ADDRESS_REFUSED"

    run(test())


@pytest.mark.parametrize(
    "host", ["partner.test", "127.0.0.2", "0x7f000002", "2130706434", "[::ffff:127.0.0.2]", "[::]"]
)
def test_a_redirect_leads_to_checked_addresses_only(make_engine: MakeEngine, host: str) -> None:
    async def test() -> None:
        names = Rebinding(["127.0.0.2"])
        server = await RawServer().start(host="0.0.0.0")
        server.on("/", answers(308, Location=f"http://{host}:{server.port}/inner"))
        engine = make_engine(names.guard())
        assert code_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))) == "ADDRESS_REFUSED"
        assert [seen.target for seen in server.requests] == ["/"]
        await engine.close()
        await server.stop()

    run(test())


def test_the_timeout_bounds_all_hops_together(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(307, Location="/hang"))
            server.on("/hang", hangs)
            started = time.monotonic()
            result = await engine.send(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=0.3))
            assert code_of(result) == "ETIMEDOUT"
            assert time.monotonic() - started < 3

    run(test())


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """A certificate authority that the engines trust."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    yield authority


def tls_for(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_trusted_certificate_for_the_urls_name_is_accepted(make_engine: MakeEngine, authority: trustme.CA) -> None:
    async def test() -> None:
        tls = tls_for(authority, "partner.test")
        async with served(make_engine, resolves_to("127.0.0.1"), tls=tls) as (engine, server):
            server.on("/", answers(200))
            assert answer_of(await engine.send(post(f"https://partner.test:{server.port}/"))).status == 200

    run(test())


@pytest.mark.parametrize("trusted", [True, False], ids=["for another name", "of an unknown authority"])
def test_a_bad_certificate_is_a_tls_error(make_engine: MakeEngine, authority: trustme.CA, trusted: bool) -> None:
    async def test() -> None:
        tls = tls_for(authority, "other.test") if trusted else tls_for(trustme.CA(), "partner.test")
        async with served(make_engine, resolves_to("127.0.0.1"), tls=tls) as (engine, server):
            server.on("/", answers(200))
            assert code_of(await engine.send(post(f"https://partner.test:{server.port}/"))) == "TLS_ERROR"
            assert not server.requests

    run(test())


def test_a_server_without_tls_is_a_tls_error(make_engine: MakeEngine) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async def test() -> None:
        server = await asyncio.start_server(plain, "127.0.0.1", 0)
        engine = make_engine(SsrfGuard(LOOPBACK))
        port = server.sockets[0].getsockname()[1]
        assert code_of(await engine.send(post(f"https://127.0.0.1:{port}/"))) == "TLS_ERROR"
        await engine.close()
        server.close()

    run(test())


def test_an_encrypted_call_is_not_redirected_to_an_open_one(make_engine: MakeEngine, authority: trustme.CA) -> None:
    async def test() -> None:
        tls = tls_for(authority, "partner.test")
        async with served(make_engine, resolves_to("127.0.0.1"), tls=tls) as (engine, server):
            server.on("/", answers(307, Location=f"http://partner.test:{server.port}/"))
            assert answer_of(await engine.send(post(f"https://partner.test:{server.port}/"))).status == 307

    run(test())
