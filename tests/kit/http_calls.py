"""What the tests of the HTTP engine share: servers, requests, and reading what came back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from ipaddress import ip_network
from typing import Any

import uvloop

from model.http.messages import HttpFailure, HttpRequest, HttpResponse
from sinks.http.engine import HttpEngine
from sinks.http.ssrf_guard import Resolver, SsrfGuard, system_resolver
from tests.kit.http_server import (
    RawServer,
)

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
MakeEngine = Callable[..., HttpEngine]


def run(test: Coroutine[Any, Any, None], loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> None:
    """Run a test on a loop of uvloop, as delivery does."""
    with asyncio.Runner(loop_factory=loop_factory or uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(test, timeout=20))


@contextlib.asynccontextmanager
async def served(
    make_engine: MakeEngine, resolver: Resolver = system_resolver, **start: Any
) -> AsyncIterator[tuple[HttpEngine, RawServer]]:
    server = await RawServer().start(**start)
    engine = make_engine(SsrfGuard(LOOPBACK, resolver=resolver))
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


class Rebinding:
    """A name server that answers differently each time, and a clock to turn. Of loopback only 127.0.0.1 is allowed."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = answers
        self.asked = 0
        self.seconds = 0.0

    async def resolve(self, host: str) -> Sequence[str]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return answer

    def guard(self) -> SsrfGuard:
        return SsrfGuard([ip_network("127.0.0.1/32")], resolver=self.resolve, monotonic=lambda: self.seconds)


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
