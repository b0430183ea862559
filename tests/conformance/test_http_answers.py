"""The HTTP engine: answers, limits, timeouts, broken peers, connections."""

import asyncio
import socket
import time
from collections.abc import Awaitable
from typing import Any

import pytest
from msgspec.structs import replace

from model.http.messages import RESPONSE_BODY_LIMIT_BYTES, HttpFailure, HttpRequest
from sinks.http.ssrf_guard import SsrfGuard
from tests.kit.http_calls import LOOPBACK, MakeEngine, answer_of, code_of, post, resolves_to, run, served, until
from tests.kit.http_server import (
    RawServer,
    answers,
    drips,
    echoes,
    hangs,
    keeps_open,
    says,
    says_and_closes,
    sends_ten_megabytes,
)


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


@pytest.mark.parametrize(
    ("behaviour", "outcome"), [(hangs, "ETIMEDOUT"), (drips, 200)], ids=["never answers", "drips for ever"]
)
def test_the_timeout_bounds_the_whole_call_and_ends_the_connection(
    make_engine: MakeEngine, behaviour: Any, outcome: str | int
) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", behaviour)
            started = time.monotonic()
            result = await engine.send(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=0.3))
            assert (result.code if isinstance(result, HttpFailure) else result.status) == outcome
            assert 0.25 <= time.monotonic() - started < 3
            await until(lambda: server.closed == 1)

    run(test())


def test_a_cancelled_call_ends_and_its_connection_with_it(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", hangs)
            call = asyncio.create_task(engine.send(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=30)))
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
        (says_and_closes(""), "ECONNRESET"),
        (says_and_closes("HTTP/1.1 20"), "ECONNRESET"),
        (says_and_closes("SSH-2.0-OpenSSH_9.6\r\n\r\n"), "PROTOCOL_ERROR"),
        (says_and_closes("HTTP/1.1 99 X\r\nContent-Length: 0\r\n\r\n"), "PROTOCOL_ERROR"),
        (
            says_and_closes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            "PROTOCOL_ERROR",
        ),
        (says_and_closes("x" * 2_000_000), "PROTOCOL_ERROR"),
    ],
    ids=["closed", "status cut short", "not HTTP", "bad status", "upgrade", "huge status line"],
)
def test_a_broken_answer_is_named_and_not_asked_for_twice(make_engine: MakeEngine, behaviour: Any, code: str) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", behaviour)
            assert code_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))) == code
            assert len(server.requests) == 1

    run(test())


@pytest.mark.parametrize(
    "behaviour",
    [
        says_and_closes("HTTP/1.1 200 OK\r\nX-A: 1\r\nX: no end of the hea"),
        keeps_open("HTTP/1.1 200 OK\r\nX-A: 1\r\nX: no end of the hea"),
        says_and_closes("HTTP/1.1 200 OK\r\nX-A: 1\r\nX: " + "a" * 2_000_000 + "\r\n\r\n"),
        says_and_closes("HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: many\r\n\r\nok"),
        says_and_closes("HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    ],
    ids=["headers cut", "headers without end", "huge header", "bad length", "two lengths"],
)
def test_broken_headers_leave_the_status(make_engine: MakeEngine, behaviour: Any) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", behaviour)
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=0.5)))
            assert (answer.status, answer.headers["x-a"]) == (200, "1") and answer.body_fault
            assert len(server.requests) == 1
            await until(lambda: server.closed == 1)

    run(test())


def test_surplus_bytes_after_an_answer_are_never_taken_for_another_answer(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/bad", says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more"))
            server.on("/good", answers(200, "good"))
            await engine.send(post(f"http://127.0.0.1:{server.port}/bad"))
            for _ in range(2):
                answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/good")))
                assert answer.body == b"good"

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


def test_an_engine_can_be_made_on_another_thread_than_its_loops(make_engine: MakeEngine) -> None:
    engine = make_engine(SsrfGuard(LOOPBACK))

    async def call() -> None:
        server = await RawServer().start()
        server.on("/", answers(200))
        assert answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))).status == 200
        await engine.close()
        await server.stop()

    in_thread: Awaitable[None] = asyncio.to_thread(asyncio.run, call())
    asyncio.run(asyncio.wait_for(in_thread, 10))
