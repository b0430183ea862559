"""The HTTP engine: which connections serve again, large and early bodies, callbacks, and that nothing stays open."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import psutil
import pytest
import trustme
import uvloop
from msgspec.structs import replace

from model.http.messages import HttpFailure, HttpResponse
from sinks.http import pool
from sinks.http.client import HttpClient
from sinks.http.engine import Outbound
from sinks.http.ssrf_guard import SsrfGuard
from tests.kit.http_calls import LOOPBACK, answer_of, code_of, post, resolves_to, run, served, until
from tests.kit.http_server import (
    Behaviour,
    RawServer,
    Seen,
    answering_heads,
    answers,
    echoes,
    hangs,
    resets_midway,
    says,
    says_and_closes,
    sends_ten_megabytes,
)

OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
Result = HttpResponse | HttpFailure
LARGE = b"x" * 8_000_000


@pytest.mark.parametrize(
    ("behaviour", "reused"),
    [
        (says(OK + "\r\nok"), True),
        (says(OK + "Connection: keep-alive, x\r\n\r\nok"), True),
        (says("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok"), True),
        (says("HTTP/1.1 204 No Content\r\n\r\n"), True),
        (says("HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"), True),
        (says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nX-Trailer: 1\r\n\r\n"), True),
        (says("HTTP/1.1 100 Continue\r\n\r\n" + OK + "\r\nok"), True),
        (says(OK + "Connection: close\r\n\r\nok"), False),
        (says(OK + "Connection: x\r\nConnection: Close\r\n\r\nok"), False),
        (says("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"), False),
        (says(OK + "\r\nok" + OK + "\r\nno"), False),
        (says("HTTP/1.1 204 X\r\n\r\nbody"), False),
        (says(OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), False),
        (says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1"), False),
        (says("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), False),
        (says_and_closes(OK + "\r\nok"), False),
    ],
    ids=["plain", "keep-alive", "1.0 keep-alive", "204", "304", "chunked", "interim", "close", "close on a second line",
         "1.0", "two responses", "204 with body", "length and chunks", "bytes after chunks", "1.0 chunked",
         "closes without announcing it"],
)  # fmt: skip
def test_a_connection_serves_again_only_after_a_clean_response(behaviour: Behaviour, reused: bool) -> None:
    async def test() -> None:
        async with served(HttpClient) as (engine, server):
            server.on("/", behaviour)
            for _ in range(5):
                answer = answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/")))
                assert answer.body_fault == "" and answer.body in (b"ok", b"")
            assert (len(server.requests), server.connections) == (5, 1 if reused else 5)

    run(test())


def test_connections_are_kept_for_one_name_and_one_address() -> None:
    async def test() -> None:
        async with served(HttpClient, resolves_to("127.0.0.1")) as (engine, server):
            server.on("/", answers(200))
            for name in ("a.test", "b.test", "a.test", "b.test"):
                await engine.send(post(f"http://{name}:{server.port}/"))
            assert server.connections == 2

    run(test())


def test_idle_connections_are_few_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "MAX_IDLE_CONNECTIONS", 3)
    monkeypatch.setattr(pool, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(pool, "SWEEP_SECONDS", 0.05)

    async def test() -> None:
        async with served(HttpClient, resolves_to("127.0.0.1")) as (engine, server):
            server.on("/", answers(200))
            for number in range(50):  # the last ones stay
                await engine.send(post(f"http://host-{number}.test:{server.port}/"))
            await until(lambda: server.closed >= 47)
            await until(lambda: server.closed == 50)
            assert isinstance(engine, HttpClient)
            assert not engine.pool._idle and not engine.pool._idle_by_key and not engine.pool._open

    run(test())


@pytest.mark.parametrize("close", [True, False], ids=["and closes", "and reads nothing"])
def test_a_response_that_comes_before_the_request_was_written_is_read(close: bool) -> None:
    async def test() -> None:
        engine = HttpClient(SsrfGuard(LOOPBACK))
        async with answering_heads(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig", close=close) as port:
            for _ in range(10):
                answer = answer_of(await engine.send(post(f"http://127.0.0.1:{port}/", body=LARGE)))
                assert (answer.status, answer.body, answer.body_fault) == (413, b"big", "")
            await until(lambda: not engine.pool._open)  # the rest of the request would be taken for the next one
        await engine.close()

    run(test())


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop], ids=["uvloop", "asyncio"])
def test_a_response_is_read_although_writing_the_request_failed(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """The server is a thread: it resets the connection while the engine is writing."""

    def serve() -> None:
        for _ in range(30):
            connection, _ = listening.accept()
            with connection:
                while b"\r\n\r\n" not in connection.recv(65_536):
                    pass
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")

    async def test() -> None:
        engine = HttpClient(SsrfGuard(LOOPBACK))
        thread = asyncio.create_task(asyncio.to_thread(serve))
        for _ in range(30):
            answer = answer_of(await engine.send(post(f"http://127.0.0.1:{port}/", body=LARGE)))
            assert (answer.status, answer.body, answer.body_fault) == (413, b"big", "")
        await thread
        await engine.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        run(test(), loop_factory)


def test_a_server_that_does_not_read_costs_the_timeout_and_little_memory() -> None:
    async def test() -> None:
        engine = HttpClient(SsrfGuard(LOOPBACK))
        async with answering_heads(b"", close=False) as port:
            started = time.monotonic()
            call = asyncio.create_task(engine.send(post(f"http://127.0.0.1:{port}/", body=LARGE, timeout_seconds=0.5)))
            await until(lambda: any(one._paused for one in engine.pool._open))
            (connection,) = engine.pool._open
            assert connection.transport.get_write_buffer_size() < 1_000_000
            assert code_of(await call) == "ETIMEDOUT"
            assert time.monotonic() - started < 3
        await engine.close()

    run(test())


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_large_body_arrives_whole(encrypted: bool) -> None:
    async def test() -> None:
        authority = trustme.CA()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("partner.test").configure_cert(context)
        server = await RawServer().start(tls=context if encrypted else None)
        server.on("/", echoes)
        guard = SsrfGuard(LOOPBACK, resolver=resolves_to("127.0.0.1"))
        engine = HttpClient(guard, Outbound(ca_pem=authority.cert_pem.bytes()))
        body = bytes(range(256)) * 12_000
        request = replace(
            post(f"http{'s' * encrypted}://partner.test:{server.port}/", body=body), read_limit_bytes=4_000_000
        )
        for _ in range(2):
            assert answer_of(await engine.send(request)).body == body
        assert server.connections == 1
        await engine.close()
        await server.stop()

    run(test())


@pytest.mark.parametrize("url", ["not a url", "http://10.0.0.1/", "http://127.0.0.1:{}/", "http://127.0.0.1:{}/other"])
def test_done_is_called_once_and_after_start_returned(url: str) -> None:
    async def test() -> None:
        async with served(HttpClient) as (engine, server):
            server.on("/", answers(200))
            server.on("/other", answers(307, Location="http://10.0.0.1/"))
            for _ in range(3):  # with an idle connection and a cached lookup, too
                results: list[Result] = []
                engine.start(post(url.format(server.port)), results.append)
                assert results == []
                await until(lambda results=results: len(results) == 1)  # type: ignore[misc]
                await asyncio.sleep(0.02)
                assert len(results) == 1

    run(test())


def test_a_callback_that_fails_harms_no_other_call() -> None:
    async def test() -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with served(HttpClient) as (engine, server):
            server.on("/", answers(200))
            request = post(f"http://127.0.0.1:{server.port}/")
            results: list[Result] = []

            def fails(result: Result) -> None:
                engine.start(request, results.append)  # over the same connection
                raise ZeroDivisionError

            engine.start(request, fails)
            await until(lambda: len(results) == 1)
            assert answer_of(results[0]).status == 200 and server.connections == 1
            assert [type(fault["exception"]) for fault in faults] == [ZeroDivisionError]

    run(test())


def test_calls_started_in_callbacks_get_their_own_answers() -> None:
    async def test() -> None:
        async with served(HttpClient) as (engine, server):
            server.on("/", echoes)
            url = f"http://127.0.0.1:{server.port}/"
            seen: list[tuple[int, bytes]] = []

            def start(number: int) -> None:
                def done(result: Result) -> None:
                    seen.append((number, answer_of(result).body))
                    if number < 200:
                        start(number + 16)

                engine.start(post(url, body=b"%d" % number), done)

            for number in range(16):
                start(number)
            await until(lambda: len(seen) >= 208)
            assert all(body == b"%d" % number for number, body in seen)
            assert server.connections == 16

    run(test())


def test_a_request_is_never_sent_twice() -> None:
    """The server takes a second request on a kept connection, and closes without a response: it may have acted."""

    async def test() -> None:
        async with served(HttpClient) as (engine, server):
            turn = 0

            async def every_second(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
                nonlocal turn
                turn += 1
                if turn % 2:
                    writer.write((OK + "\r\nok").encode())
                return turn % 2 == 1

            server.on("/", every_second)
            request = post(f"http://127.0.0.1:{server.port}/")
            for _ in range(3):
                assert answer_of(await engine.send(request)).status == 200
                assert code_of(await engine.send(request)) == "ECONNRESET"
            assert len(server.requests) == 6

    run(test())


def test_nothing_stays_open_after_many_calls_to_servers_that_misbehave() -> None:
    def connected_to(port: int) -> int:
        connections = psutil.Process(os.getpid()).net_connections(kind="tcp")
        return sum(bool(one.raddr) and one.raddr.port == port for one in connections)

    async def test() -> None:
        server = await RawServer().start()
        behaviours: dict[str, Behaviour] = {
            "/good": answers(200, "ok"),
            "/closes": says_and_closes(""),
            "/cut": says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
            "/resets": resets_midway,
            "/garbage": says("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
            "/surplus": says(OK + "\r\nok and more"),
            "/large": sends_ten_megabytes,
            "/hangs": hangs,
            "/hop": answers(307, Location="/good"),
        }
        for path, behaviour in behaviours.items():
            server.on(path, behaviour)
        engine = HttpClient(SsrfGuard(LOOPBACK))
        ended: list[Result] = []
        aborts: list[Callable[[], None]] = []
        urls = [f"http://127.0.0.1:{server.port}{path}" for path in behaviours]
        for number in range(1_000):
            request = post(urls[number % len(urls)], timeout_seconds=0.3)
            abort = engine.start(request, ended.append)
            if number % 50 == 0:
                aborts.append(abort)
            if number % 40 == 0:
                await asyncio.sleep(0.01)
        for abort in aborts:
            abort()
        await until(lambda: not engine.deadlines.calls(), within_seconds=10)
        assert 980 <= len(ended) <= 1_000
        await engine.close()
        assert not engine.pool._open
        assert connected_to(server.port) == 0
        await server.stop()

    run(test())
