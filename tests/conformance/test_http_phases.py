"""The HTTP engine: how calls end in each phase, by their time limit, by an abort, or because the engine is closed."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Sequence

import pytest

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.client import HttpClient
from sinks.http.ssrf_guard import SsrfGuard
from tests.kit.http_calls import LOOPBACK, answer_of, code_of, post, resolves_to, run, until
from tests.kit.http_server import RawServer, answering_heads, hangs, keeps_open

LARGE = b"x" * 8_000_000


@contextlib.asynccontextmanager
async def full_backlog() -> AsyncIterator[int]:
    """A port where connections are not accepted and the queue is full: connecting never ends."""
    with socket.socket() as listening, contextlib.ExitStack() as stack:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port: int = listening.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        await asyncio.sleep(0.05)
        yield port


async def _never(host: str) -> Sequence[str]:
    await asyncio.sleep(3600)
    return ()


PHASES = ["looking up", "connecting", "handshake", "writing", "head", "cut head", "body"]


@contextlib.asynccontextmanager
async def stuck_in(phase: str, timeout_seconds: float = 30.0) -> AsyncIterator[tuple[HttpClient, HttpRequest]]:
    """An engine, and a request that does not get beyond a phase."""
    async with contextlib.AsyncExitStack() as stack:
        server = await RawServer().start()
        stack.push_async_callback(server.stop)
        server.on("/head", hangs)
        server.on("/cut", keeps_open("HTTP/1.1 200 O"))
        server.on("/body", keeps_open("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"))
        resolver = _never if phase == "looking up" else resolves_to("127.0.0.1")
        engine = HttpClient(SsrfGuard(LOOPBACK, resolver=resolver))
        stack.push_async_callback(engine.close)
        url, body = f"http://partner.test:{server.port}/", b"{}"
        match phase:
            case "connecting":
                url = f"http://partner.test:{await stack.enter_async_context(full_backlog())}/"
            case "handshake":
                silent = await stack.enter_async_context(answering_heads(b"", close=False))
                url = f"https://partner.test:{silent}/"
            case "writing":
                deaf = await stack.enter_async_context(answering_heads(b"", close=False))
                url, body = f"http://partner.test:{deaf}/", LARGE
            case "head" | "body":
                url += phase
            case "cut head":
                url += "cut"
        yield engine, post(url, body=body, timeout_seconds=timeout_seconds)


@pytest.mark.parametrize("phase", PHASES)
def test_the_time_limit_holds_in_each_phase(phase: str) -> None:
    async def test() -> None:
        async with stuck_in(phase, timeout_seconds=0.4) as (engine, request):
            started = time.monotonic()
            result = await engine.send(request)
            assert 0.39 <= time.monotonic() - started < 5
            if phase == "body":
                assert answer_of(result).body == b"half" and answer_of(result).body_fault
            else:
                assert code_of(result) == "ETIMEDOUT"
            await until(lambda: not engine.pool._open)
            assert not engine.deadlines.calls()

    run(test())


@pytest.mark.parametrize("phase", PHASES)
def test_an_aborted_call_ends_in_each_phase_without_a_result(phase: str) -> None:
    async def test() -> None:
        async with stuck_in(phase) as (engine, request):
            results: list[HttpResponse | HttpFailure] = []
            for wait_seconds in (0.0, 0.1):
                abort = engine.start(request, results.append)
                await asyncio.sleep(wait_seconds)
                abort()
                abort()
                await until(lambda: not engine.pool._open)
                assert not engine.deadlines.calls()
            await asyncio.sleep(0.1)
            assert results == []

    run(test())


@pytest.mark.parametrize("phase", PHASES)
def test_closing_the_engine_ends_calls_in_each_phase(phase: str) -> None:
    async def test() -> None:
        async with stuck_in(phase) as (engine, request):
            results: list[HttpResponse | HttpFailure] = []
            engine.start(request, results.append)
            await asyncio.sleep(0.1)
            await engine.close()
            assert [code_of(result) for result in results] == ["ECONNABORTED"]
            assert not engine.pool._open

    run(test())
