"""The receiver answers as told and counts what it saw."""

import asyncio
import json
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import orjson
import pytest

from console.demo.receiver import MAX_BODY_BYTES, serve
from tests.kit.receiver import NO_ANSWER, Receiver


class Clock:
    now_ms = 0

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receiver(clock: Clock) -> Receiver:
    return Receiver(clock)


def call(receiver: Receiver, path: str, key: str = "k", event: Any = None, query: str = "") -> Any:
    return receiver.answer(path, query, key, orjson.dumps(event if event is not None else {}))


def tally(receiver: Receiver) -> Any:
    return orjson.loads(call(receiver, "tally").body)


def test_the_tally_counts_calls_keys_and_repetitions(receiver: Receiver) -> None:
    for key in ("a", "b", "b", ""):
        assert call(receiver, "healthy/crm", key).status == 200
    call(receiver, "status/500", "a")
    assert tally(receiver) == {
        "healthy/crm": {
            "calls": 4,
            "keys": 2,
            "delivered_keys": 2,
            "keys_delivered_more_than_once": 1,
            "calls_after_success": 1,
            "calls_without_key": 1,
            "statuses": {"200": 4},
        },
        "status/500": {
            "calls": 1,
            "keys": 1,
            "delivered_keys": 0,
            "keys_delivered_more_than_once": 0,
            "calls_after_success": 0,
            "calls_without_key": 0,
            "statuses": {"500": 1},
        },
    }
    assert orjson.loads(call(receiver, "tally/healthy/crm/keys").body) == {"a": [200], "b": [200, 200]}


def test_a_script_is_followed_per_key_and_its_last_answer_repeats(receiver: Receiver) -> None:
    limit = {"status": 429, "retry_after": 1, "body": {"message": "slow down"}}
    event = {"properties": {"script": [503, limit, "hang", "close", 200]}}
    first = [call(receiver, "scripted", "k1", event) for _ in range(6)]
    assert [answer.status for answer in first] == [503, 429, NO_ANSWER, NO_ANSWER, 200, 200]
    assert first[1].headers == (("Retry-After", "1"),)
    assert first[1].body == b'{"message":"slow down"}'
    assert [first[2].close, first[3].close] == [False, True]
    assert call(receiver, "scripted", "k2", event).status == 503
    assert tally(receiver)["scripted"]["calls_after_success"] == 1


@pytest.mark.parametrize("event", [{}, {"properties": {}}, {"properties": {"script": []}}])
def test_no_script_means_success(receiver: Receiver, event: Any) -> None:
    assert call(receiver, "scripted", "k", event).status == 200


@pytest.mark.parametrize(
    "event", [[], {"properties": []}, {"properties": {"script": ["x"]}}, {"properties": {"script": 5}}]
)
def test_a_script_that_cannot_be_followed_is_a_400(receiver: Receiver, event: Any) -> None:
    assert call(receiver, "scripted", "k", event).status == 400


def test_flaky_refuses_few_keys_always_and_fails_some_at_first(receiver: Receiver, clock: Clock) -> None:
    answers: dict[str, list[int]] = {}
    for number in range(3_000):
        clock.now_ms += 10
        answers[f"key-{number}"] = [call(receiver, "flaky", f"key-{number}").status for _ in range(3)]
    kinds = Counter(map(tuple, answers.values()))
    assert kinds.keys() == {(200, 200, 200), (503, 200, 200), (503, 503, 200), (400, 400, 400)}
    assert 0.02 < kinds[400, 400, 400] / 3_000 < 0.04
    assert 0.04 < (kinds[503, 200, 200] + kinds[503, 503, 200]) / 3_000 < 0.12


def test_flaky_limits_the_rate_and_says_when_to_return(clock: Clock) -> None:
    receiver = Receiver(clock, flaky_rate_per_second=5)
    answers = [call(receiver, "flaky", f"k{number}") for number in range(8)]
    assert [answer.status == 429 for answer in answers] == [False] * 5 + [True] * 3
    assert answers[-1].headers == (("Retry-After", "1"),)
    clock.now_ms = 1_000
    assert call(receiver, "flaky", "k7").status != 429


def test_unknown_paths_and_odd_queries_do_no_harm(receiver: Receiver) -> None:
    for path in ("", "nothing", "tally/none/keys", "status/abc", "status/99999"):
        assert call(receiver, path).status == 404
    assert call(receiver, "slow", query="ms=20").delay_ms == 20
    assert call(receiver, "slow", query="ms=x&&=").delay_ms == 50


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def test_it_speaks_http_over_a_socket_and_survives_nonsense(receiver: Receiver) -> None:
    async def test() -> None:
        server = await serve(receiver, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):  # keep-alive, and a body in two pieces
            writer.write(b"POST /healthy HTTP/1.1\r\nHost: x\r\nIDEMPOTENCY-KEY: k\r\nContent-Length: 4\r\n\r\nab")
            await asyncio.sleep(0)
            writer.write(b"cd")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert await reader.readexactly(2) == b"{}"
        writer.close()
        assert await ask(port, b"\x16\x03\x01 nonsense\r\n\r\n") == b""
        assert (
            await ask(port, b"POST /healthy HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n" + b"x" * MAX_BODY_BYTES * 2)
            == b""
        )
        assert tally(receiver)["healthy"]["calls"] == 2
        server.close()

    asyncio.run(asyncio.wait_for(test(), 10))


def test_as_a_process_it_says_its_port_and_ends_on_sigterm() -> None:
    process = subprocess.Popen([sys.executable, "-m", "tests.kit.receiver", "--port", "0"], stdout=subprocess.PIPE)
    try:
        assert process.stdout
        port = json.loads(process.stdout.readline())["port"]
        answer = asyncio.run(ask(port, b"GET /large HTTP/1.1\r\n\r\nGET /scripted HTTP/1.1\r\n\r\nX\r\n\r\n"))
        assert len(answer) > 10_000_000
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
