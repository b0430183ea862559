"""Both HTTP engines: names, checked addresses, proxies."""

import asyncio
import socket
import time
from collections.abc import Sequence

import pytest

from sinks.addresses import AddressGuard, system_resolver
from tests.conformance.http_calls import MakeEngine, answer_of, code_of, post, resolves_to, run, served
from tests.conformance.http_server import (
    RawServer,
    answers,
)


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
