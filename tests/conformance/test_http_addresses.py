"""The HTTP engine: names, checked addresses, proxies."""

import asyncio
import socket
import time
from collections.abc import Sequence

import pytest

from sinks.http.ssrf_guard import REFRESH_SECONDS, SsrfGuard, system_resolver
from tests.kit.http_calls import MakeEngine, Rebinding, answer_of, code_of, post, resolves_to, run, served
from tests.kit.http_server import (
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
            "http://[::ffff:127.0.0.1]:{}/", "http://[::ffff:7f00:1]:{}/", "http://[64:ff9b::7f00:1]:{}/", "http://0.0.0.0:{}/",
            "http://0:{}/", "http://[::]:{}/", "http://017700000001:{}/", "http://0177.0.0.1:{}/", "http://127.0.0.1.:{}/",
            "http://%31%32%37.0.0.1:{}/", "http://１２７.0.0.1:{}/", "http://169.254.169.254:{}/", "http://0xa9fea9fe:{}/",
            "http://169.254.169.254.:{}/", "http://localhost:{}/", "http://partner.test.:{}/", "http://partner.test:{}/"]
)  # fmt: skip
def test_a_private_address_is_refused_however_it_is_written(make_engine: MakeEngine, url: str) -> None:
    async def resolve(host: str) -> Sequence[str]:
        return ["10.0.0.7"] if host.startswith("partner.test") else await system_resolver(host)

    async def test() -> None:
        server = await RawServer().start()
        engine = make_engine(SsrfGuard(resolver=resolve))
        assert code_of(await engine.send(post(url.format(server.port)))) == "ADDRESS_REFUSED"
        assert server.connections == 0
        await engine.close()
        await server.stop()

    run(test())


def test_a_name_is_asked_for_once_and_the_connection_goes_where_the_answer_said(make_engine: MakeEngine) -> None:
    async def test() -> None:
        names = Rebinding(["127.0.0.1"], ["127.0.0.2"])
        server = await RawServer().start(host="0.0.0.0")  # another answer would reach it too
        server.on("/", answers(200))
        engine = make_engine(names.guard())
        url = f"http://partner.test:{server.port}/"
        for _ in range(5):
            assert answer_of(await engine.send(post(url))).status == 200
        assert names.asked == 1
        names.seconds = REFRESH_SECONDS
        served = len(server.requests)
        for _ in range(2):  # the connection to the first address is still open, and not used
            assert code_of(await engine.send(post(url))) == "ADDRESS_REFUSED"
        assert len(server.requests) == served
        await engine.close()
        await server.stop()

    run(test())


def test_a_good_address_does_not_open_the_way_to_a_bad_one_beside_it(make_engine: MakeEngine) -> None:
    async def test() -> None:
        names = Rebinding(["127.0.0.2", "127.0.0.1", "127.0.0.3"])
        server = await RawServer().start(host="127.0.0.2")
        engine = make_engine(names.guard())
        # Nothing listens at 127.0.0.1, the only one that is allowed.
        assert code_of(await engine.send(post(f"http://partner.test:{server.port}/"))) == "ECONNREFUSED"
        assert server.connections == 0
        await engine.close()
        await server.stop()

    run(test())


@pytest.mark.parametrize("host", ["bücher.test", "b%C3%BCcher.test", "xn--bcher-kva.test", "XN--BCHER-KVA.test"])
def test_international_names_are_pinned_too(make_engine: MakeEngine, host: str) -> None:
    asked: list[str] = []

    async def resolve(name: str) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"]

    async def test() -> None:
        async with served(make_engine, resolve) as (engine, server):
            server.on("/", answers(200))
            assert answer_of(await engine.send(post(f"http://{host}:{server.port}/"))).status == 200
            assert asked == ["xn--bcher-kva.test"]

    run(test())


def test_proxies_of_the_environment_are_not_used(make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", answers(200))
            assert answer_of(await engine.send(post(f"http://127.0.0.1:{server.port}/"))).status == 200

    run(test())
