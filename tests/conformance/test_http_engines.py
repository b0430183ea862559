"""What every HTTP engine must do, whatever the other side does. Both engines, one suite."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import trustme

from sinks.addresses import AddressGuard, Resolver, system_resolver
from sinks.http import RESPONSE_BODY_LIMIT_BYTES, HttpEngine, HttpFailure, HttpRequest, HttpResponse
from sinks.httpx_engine import HttpxEngine
from sinks.pyreqwest_engine import PyreqwestEngine
from tests.conformance.http_server import (
    RawServer,
    answers,
    drips,
    echoes,
    hangs,
    resets_midway,
    says,
    says_and_closes,
    sends_ten_megabytes,
)

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
MakeEngine = Callable[[AddressGuard], HttpEngine]


@pytest.fixture(params=[PyreqwestEngine, HttpxEngine], ids=["pyreqwest", "httpx"])
def make_engine(request: pytest.FixtureRequest) -> MakeEngine:
    return request.param  # type: ignore[no-any-return]


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, timeout=20))


@contextlib.asynccontextmanager
async def served(
    make_engine: MakeEngine, resolver: Resolver = system_resolver, **start: Any
) -> AsyncIterator[tuple[HttpEngine, RawServer]]:
    server = await RawServer().start(**start)
    engine = make_engine(AddressGuard(LOOPBACK, resolver=resolver))
    try:
        yield engine, server
    finally:
        await engine.close()
        await server.stop()


def post(url: str, *, timeout_seconds: float = 5.0, body: bytes = b"{}", **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(method="POST", url=url, headers=named, body=body, timeout_seconds=timeout_seconds)


def resolves_to(*addresses: str) -> Resolver:
    async def resolve(host: str) -> Sequence[str]:
        return addresses

    return resolve


async def until(condition: Callable[[], bool], within_seconds: float = 5.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        await asyncio.sleep(0.01)


def code_of(result: HttpResponse | HttpFailure) -> str:
    assert isinstance(result, HttpFailure), result
    return result.code


def answer_of(result: HttpResponse | HttpFailure) -> HttpResponse:
    assert isinstance(result, HttpResponse), result
    return result


def test_method_headers_and_body_arrive_and_the_answer_comes_back(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/echo", echoes)
            request = HttpRequest(
                method="PUT",
                url=f"http://127.0.0.1:{server.port}/echo?a=b%20c",
                headers={"X-Key": "k-1", "content-type": "application/json"},
                body=b'{"a":1}',
                timeout_seconds=5,
            )
            answer = answer_of(await engine.send(request))
            assert (answer.status, answer.body, answer.body_truncated) == (200, b'{"a":1}', False)
            assert answer.headers["x-method"] == "PUT"
            (seen,) = server.requests
            assert (seen.method, seen.target, seen.body) == ("PUT", "/echo?a=b%20c", b'{"a":1}')
            assert (seen.headers["x-key"], seen.headers["content-type"]) == ("k-1", "application/json")
            assert seen.headers["host"] == f"127.0.0.1:{server.port}"

    run(test())


@pytest.mark.parametrize("status", [204, 301, 302, 303, 304, 400, 404, 429, 500, 503, 599])
def test_any_status_is_an_answer(make_engine: MakeEngine, status: int) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", says(f"HTTP/1.1 {status} X\r\nLocation: /other\r\n{_length(status)}\r\n"))
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/")))
            assert answer.status == status
            assert len(server.requests) == 1

    run(test())


def _length(status: int) -> str:
    return "" if status in (204, 304) else "Content-Length: 0\r\n"


def test_of_a_huge_body_only_the_limit_is_read(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", sends_ten_megabytes)
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/")))
            assert answer.body == b"y" * RESPONSE_BODY_LIMIT_BYTES
            assert answer.body_truncated
            await until(lambda: server.closed == 1)  # the rest is refused by closing, not read and thrown away

    run(test())


def test_a_body_of_exactly_the_limit_is_whole(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(200, "z" * RESPONSE_BODY_LIMIT_BYTES))
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/")))
            assert (len(answer.body), answer.body_truncated) == (RESPONSE_BODY_LIMIT_BYTES, False)

    run(test())


def test_a_body_in_many_pieces_comes_whole(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            chunks = "3\r\nabc\r\n" * 50 + "0\r\n\r\n"
            server.on("/", says(f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"))
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/")))
            assert answer.body == b"abc" * 50

    run(test())


def test_nothing_is_unpacked(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(200, "not gzip", Content_Encoding="gzip"))
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/")))
            assert answer.body == b"not gzip"
            assert server.requests[0].headers.get("accept-encoding", "identity") == "identity"

    run(test())


@pytest.mark.parametrize("behaviour", [hangs, drips], ids=["never answers", "drips for ever"])
def test_the_timeout_bounds_the_whole_call_and_ends_the_connection(make_engine: MakeEngine, behaviour: Any) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", behaviour)
            started = time.monotonic()
            result = await engine.send(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=0.3))
            assert code_of(result) == "ETIMEDOUT"
            assert 0.25 <= time.monotonic() - started < 3
            await until(lambda: server.closed == 1)

    run(test())


def test_a_cancelled_call_ends_and_its_connection_with_it(make_engine: MakeEngine) -> None:
    """pyreqwest keeps the connection until the request's own timeout; that bounds it all the same."""

    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", hangs)
            call = asyncio.create_task(engine.send(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=1.0)))
            await until(lambda: len(server.requests) == 1)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await until(lambda: server.closed == 1)

    run(test())


def test_a_refused_connection_is_named(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, _):
            with socket.socket() as unheard:
                unheard.bind(("127.0.0.1", 0))  # bound, but nobody listens
                result = await engine.send(post(f"http://127.0.0.1:{unheard.getsockname()[1]}/?key=s3cret"))
            assert code_of(result) == "ECONNREFUSED"
            assert isinstance(result, HttpFailure)
            assert "s3cret" not in result.message

    run(test())


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (resets_midway, "ECONNRESET"),
        (says_and_closes(""), "ECONNRESET"),
        (says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "ECONNRESET"),
        (says_and_closes("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "PROTOCOL_ERROR"),
        (says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nok"), "PROTOCOL_ERROR"),
        (says_and_closes("HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n"), "PROTOCOL_ERROR"),
        (
            says_and_closes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            "PROTOCOL_ERROR",
        ),
        (says_and_closes("HTTP/1.1 200 OK\r\nX: " + "a" * 2_000_000 + "\r\n\r\n"), "PROTOCOL_ERROR"),
    ],
    ids=["reset", "closed", "cut short", "not HTTP", "bad length", "bad status", "upgrade", "huge header"],
)
def test_a_broken_answer_is_named_and_not_asked_for_twice(make_engine: MakeEngine, behaviour: Any, code: str) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", behaviour)
            assert code_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))) == code
            assert len(server.requests) == 1

    run(test())


def test_surplus_bytes_after_an_answer_are_never_taken_for_another_answer(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/bad", says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"))
            server.on("/good", answers(200, "good"))
            await engine.send(post(f"http://127.0.0.1:{server.port}/bad"))
            # h11 notices only when it uses the connection again, hyper at once.
            first = await engine.send(post(f"http://127.0.0.1:{server.port}/good"))
            assert isinstance(first, HttpFailure) or first.body == b"good"
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/good")))
            assert answer.body == b"good"

    run(test())


@pytest.mark.parametrize(
    ("number", "code"),
    [(socket.EAI_NONAME, "ENOTFOUND"), (socket.EAI_AGAIN, "EAI_AGAIN"), (socket.EAI_FAIL, "EAI_AGAIN")],
)
def test_an_unknown_name_and_a_silent_name_server_are_told_apart(
    make_engine: MakeEngine, number: int, code: str
) -> None:
    async def resolve(host: str) -> Sequence[str]:
        raise socket.gaierror(number, "the resolver's words")

    async def test() -> None:
        async with served(make_engine, resolve) as (engine, _):
            assert code_of(await engine.send(post("http://partner.test/"))) == code

    run(test())


def test_the_systems_resolver_does_not_know_invalid_names(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, _):
            # Without any network a name server cannot say that a name does not exist.
            result = await engine.send(post("http://does-not-exist.invalid/"))
            assert code_of(result) in {"ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT"}

    run(test())


def test_a_name_server_that_never_answers_costs_the_timeout_only(make_engine: MakeEngine) -> None:
    async def resolve(host: str) -> Sequence[str]:
        await asyncio.sleep(3600)
        return ()

    async def test() -> None:
        async with served(make_engine, resolve) as (engine, _):
            started = time.monotonic()
            assert code_of(await engine.send(post("http://partner.test/", timeout_seconds=0.2))) == "ETIMEDOUT"
            assert time.monotonic() - started < 3

    run(test())


def test_the_connection_goes_to_the_checked_address_under_the_urls_name(make_engine: MakeEngine) -> None:
    asked: list[str] = []

    async def resolve(host: str) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    async def test() -> None:
        async with served(make_engine, resolve) as (engine, server):
            server.on("/", answers(200))
            for url in ("http://partner.test:{}/", "http://PARTNER.test:{}/", "http://partner.test.:{}/"):
                assert answer_of(await engine.send(post(url.format(server.port)))).status == 200
            hosts = [seen.headers["host"].removesuffix(f":{server.port}") for seen in server.requests]
            assert hosts == ["partner.test", "partner.test", "partner.test."]
            assert asked == ["partner.test", "partner.test."]

    run(test())


def test_the_second_address_is_tried_when_the_first_is_dead(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine, resolves_to("::1", "127.0.0.1")) as (engine, server):
            server.on("/", answers(200))
            for _ in range(2):
                assert answer_of(await engine.send(post(f"http://partner.test:{server.port}/"))).status == 200

    run(test())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/", "http://127.1:{}/", "http://0x7f.0.0.1:{}/", "http://2130706433:{}/", "http://[::1]:{}/",
            "http://[::ffff:127.0.0.1]:{}/", "http://localhost:{}/", "http://partner.test:{}/"]
)  # fmt: skip
def test_a_private_address_is_refused_however_it_is_written(make_engine: MakeEngine, url: str) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return ["10.0.0.7"] if host == "partner.test" else await system_resolver(host)

    async def test() -> None:
        server = await RawServer().start()
        engine = make_engine(AddressGuard(resolver=resolve))
        assert code_of(await engine.send(post(url.format(server.port)))) == "ADDRESS_REFUSED"
        assert server.connections == 0
        await engine.close()
        await server.stop()

    run(test())


def test_proxies_of_the_environment_are_not_used(make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(200))
            assert answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))).status == 200

    run(test())


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


def test_calls_one_after_another_share_one_connection(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(503, "busy"))
            for _ in range(20):
                await engine.send(post(f"http://127.0.0.1:{server.port}/"))
            assert (len(server.requests), server.connections) == (20, 1)

    run(test())


def test_many_calls_at_once_get_their_own_answers(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", echoes)
            url = f"http://127.0.0.1:{server.port}/"
            results = await asyncio.gather(*(engine.send(post(url, body=b"%d" % number)) for number in range(64)))
            assert [answer_of(result).body for result in results] == [b"%d" % number for number in range(64)]

    run(test())


@pytest.mark.parametrize(
    "request_",
    [
        post("not a url"),
        post("ftp://example.com/"),
        post("http://"),
        post("http://127.0.0.1:PORT/", x_bad="two\r\nlines s3cret"),
        HttpRequest(method="BAD METHOD", url="http://127.0.0.1:PORT/", headers={}, body=b"", timeout_seconds=1),
    ],
    ids=["no URL", "not HTTP", "no host", "bad header", "bad method"],
)
def test_a_request_that_cannot_be_made_is_a_failure_without_secrets(
    make_engine: MakeEngine, request_: HttpRequest
) -> None:
    async def test() -> None:
        async with served(make_engine, resolves_to("127.0.0.1")) as (engine, server):
            result = await engine.send(replace(request_, url=request_.url.replace("PORT", str(server.port))))
            assert code_of(result) == "INVALID_SETTINGS"
            assert isinstance(result, HttpFailure)
            assert "s3cret" not in result.message

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
        engine = make_engine(AddressGuard(LOOPBACK))
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


def test_an_engine_can_be_made_on_another_thread_than_its_loops(make_engine: MakeEngine) -> None:
    engine = make_engine(AddressGuard(LOOPBACK))

    async def call() -> None:
        server = await RawServer().start()
        server.on("/", answers(200))
        assert answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))).status == 200
        await engine.close()
        await server.stop()

    in_thread: Awaitable[None] = asyncio.to_thread(asyncio.run, call())
    asyncio.run(asyncio.wait_for(in_thread, 10))
