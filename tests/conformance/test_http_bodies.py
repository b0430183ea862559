"""The HTTP engine: an answer is an answer as soon as its status came, whatever is wrong with its headers or body."""

import asyncio
import gzip
import time
import zlib
from typing import Any

import pytest
from msgspec.structs import replace

from model.http.messages import RESPONSE_BODY_LIMIT_BYTES, HttpResponse
from tests.kit.http_calls import MakeEngine, answer_of, post, run, served, until
from tests.kit.http_server import (
    Seen,
    answers,
    drips,
    echoes,
    keeps_open,
    resets_midway,
    says,
    says_and_closes,
    sends_ten_megabytes,
)

OK = "HTTP/1.1 200 OK\r\n"
JSON = b'[{"status": 200}]' * 20


def ask(make_engine: MakeEngine, behaviour: Any, *, limit_bytes: int = RESPONSE_BODY_LIMIT_BYTES) -> HttpResponse:
    """The answer to one call; the server must not be asked twice."""
    found: list[HttpResponse] = []

    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", behaviour)
            request = post(f"http://127.0.0.1:{server.port}/", timeout_seconds=0.5)
            found.append(answer_of(await engine.send(replace(request, read_limit_bytes=limit_bytes))))
            assert len(server.requests) == 1

    run(test())
    return found[0]


def packed(content: bytes, coding: str, *, length: int | None = None) -> Any:
    head = f"{OK}Content-Encoding: {coding}\r\nContent-Length: {len(content) if length is None else length}\r\n\r\n"
    return says_and_closes(head + content.decode("latin-1"))


def bare_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


@pytest.mark.parametrize(
    ("header", "name", "value"),
    [
        ("Last-Modified: Dienstag, 31. M\xe4rz 2026", "", ""),
        ("X-A: \xff\xfe\x80", "", ""),
        ("X-A: one\r\n two", "x-a", "one two"),
        ("X-A: one\r\n\ttwo\r\n  three", "x-a", "one two three"),
        ("X-A:", "x-a", ""),
        ("X-A: a\r\nX-A: b", "x-a", "b"),
        ("Retry-After: \xe4", "", ""),
        ("Content-Type: text/\xfc", "", ""),
    ],
    ids=["latin-1", "obs-text", "folded", "folded twice", "empty", "twice", "Retry-After", "Content-Type"],
)
@pytest.mark.parametrize("status", [200, 307, 422])
def test_odd_headers_cost_no_answer(make_engine: MakeEngine, header: str, name: str, value: str, status: int) -> None:
    said = f"HTTP/1.1 {status} X\r\nRetry-After: 5\r\n{header}\r\nX-Last: 1\r\nContent-Length: 2\r\n\r\nok"
    answer = ask(make_engine, says(said))
    assert (answer.status, answer.body, answer.body_fault) == (status, b"ok", "")
    assert answer.headers["x-last"] == "1"
    if not header.startswith("Retry-After"):
        assert answer.headers["retry-after"] == "5"
    if name:
        assert answer.headers[name] == value


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        (says_and_closes(OK + "Content-Length: 100\r\n\r\nhalf"), b"half"),
        (says_and_closes(OK + "Content-Length: 100\r\n\r\n"), b""),
        (resets_midway, None),
        (keeps_open(OK + "Content-Length: 100\r\n\r\nhalf"), b"half"),
        (keeps_open(OK + "Content-Length: 100\r\n\r\n"), b""),
        (keeps_open(OK + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"), b"half"),
        (keeps_open(OK + "X: y\r\n\r\nhalf"), b"half"),
        (drips, None),
        (says_and_closes(OK + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n5\r\nab"), b"halfab"),
        (says_and_closes(OK + "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n"), b"half"),
        (says_and_closes(OK + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"), b""),
    ],
    ids=["cut", "cut at once", "reset", "hangs", "hangs at once", "hangs chunked", "hangs without length", "drips",
         "chunk cut", "bad chunk", "bad chunk at once"],
)  # fmt: skip
def test_a_broken_body_leaves_the_status(make_engine: MakeEngine, behaviour: Any, body: bytes | None) -> None:
    answer = ask(make_engine, behaviour)
    assert answer.status == 200 and answer.headers
    assert answer.body_fault and not answer.body_truncated
    if body is not None:
        assert answer.body == body


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        (says_and_closes(OK + "\r\nuntil it closes"), b"until it closes"),
        (says_and_closes("HTTP/1.0 200 OK\r\n\r\nold"), b"old"),
        (keeps_open(OK + "Content-Length: 2\r\n\r\nok"), b"ok"),
        (keeps_open(OK + "Content-Length: 0\r\n\r\n"), b""),
        (keeps_open("HTTP/1.1 204 X\r\n\r\n"), b""),
        (keeps_open("HTTP/1.1 304 X\r\nContent-Length: 10\r\n\r\n"), b""),
        (says("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + OK + "Content-Length: 2\r\n\r\nok"), b"ok"),
    ],
    ids=["until it closes", "HTTP 1.0", "kept open", "empty", "204", "304", "after an interim answer"],
)
def test_a_whole_body_has_no_fault(make_engine: MakeEngine, behaviour: Any, body: bytes) -> None:
    answer = ask(make_engine, behaviour)
    assert (answer.body, answer.body_fault, answer.body_truncated) == (body, "", False)


def test_answers_ask_for_no_coding(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", echoes)
            await engine.send(post(f"http://127.0.0.1:{server.port}/"))
            assert server.requests[0].headers["accept-encoding"] == "identity"

    run(test())


@pytest.mark.parametrize(
    ("content", "coding"),
    [
        (gzip.compress(JSON), "gzip"),
        (gzip.compress(JSON), "X-GZIP"),
        (gzip.compress(JSON), "identity, gzip"),
        (gzip.compress(JSON[:100]) + gzip.compress(JSON[100:]), "gzip"),
        (gzip.compress(JSON) + b"surplus", "gzip"),
        (zlib.compress(JSON), "deflate"),
        (bare_deflate(JSON), "Deflate"),
        (JSON, "identity"),
    ],
    ids=["gzip", "x-gzip", "listed", "two members", "surplus", "deflate", "bare deflate", "identity"],
)
def test_usual_codings_are_decoded(make_engine: MakeEngine, content: bytes, coding: str) -> None:
    answer = ask(make_engine, packed(content, coding))
    assert (answer.body, answer.body_fault, answer.body_truncated) == (JSON, "", False)
    assert answer.headers.get("content-encoding", "identity") == "identity"


@pytest.mark.parametrize(
    ("content", "coding", "body"),
    [
        (b"\x0b\x02\x80{}\x03", "br", b""),
        (b"\x28\xb5\x2f\xfd\x04", "zstd", b""),
        (JSON, "rot13", b""),
        (gzip.compress(gzip.compress(JSON)), "gzip, gzip", b""),
        (gzip.compress(zlib.compress(JSON)), "deflate, gzip", b""),
        (gzip.compress(JSON), "gzip\r\nContent-Encoding: gzip", b""),
        (gzip.compress(JSON), "gz\xefp", b""),
        (b"not gzip", "gzip", b""),
        (b"not deflate", "deflate", b""),
        (gzip.compress(JSON)[:-9], "gzip", None),
        (gzip.compress(JSON)[:-8] + b"\0" * 8, "gzip", None),
        (gzip.compress(JSON) + gzip.compress(JSON)[:15], "gzip", None),
        (zlib.compress(JSON)[:-1], "deflate", None),
    ],
    ids=["br", "zstd", "unknown", "twice", "layers", "on two lines", "unreadable", "not gzip", "not deflate",
         "gzip cut", "bad checksum", "second member cut", "deflate cut"],
)  # fmt: skip
def test_what_cannot_be_decoded_is_told(
    make_engine: MakeEngine, content: bytes, coding: str, body: bytes | None
) -> None:
    answer = ask(make_engine, packed(content, coding))
    assert answer.status == 200
    assert answer.body_fault and not answer.body_truncated
    assert (JSON + JSON).startswith(answer.body) if body is None else answer.body == body


def test_a_coded_body_that_is_cut_says_so(make_engine: MakeEngine) -> None:
    content = gzip.compress(JSON)
    answer = ask(make_engine, packed(content[:-9], "gzip", length=len(content)))
    assert answer.status == 200 and answer.body_fault and JSON.startswith(answer.body)


@pytest.mark.parametrize("coding", ["gzip", "br", "unknown"])
def test_an_empty_body_has_no_coding(make_engine: MakeEngine, coding: str) -> None:
    answer = ask(make_engine, packed(b"", coding))
    assert (answer.body, answer.body_fault) == (b"", "")


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"y" * 30_000_000), gzip.compress(b"y" * 70_000) * 50],
    ids=["one large member", "many members"],
)
def test_a_small_body_does_not_unpack_into_a_large_one(make_engine: MakeEngine, content: bytes) -> None:
    answer = ask(make_engine, packed(content, "gzip"))
    assert answer.body == b"y" * RESPONSE_BODY_LIMIT_BYTES
    assert answer.body_truncated and not answer.body_fault


def test_members_without_end_are_given_up(make_engine: MakeEngine) -> None:
    answer = ask(make_engine, packed(gzip.compress(b"") * 2_000, "gzip"))
    assert "members" in answer.body_fault


@pytest.mark.parametrize("limit_bytes", [10, 65_536, 1_000_000])
def test_each_request_says_how_much_is_read(make_engine: MakeEngine, limit_bytes: int) -> None:
    answer = ask(make_engine, sends_ten_megabytes, limit_bytes=limit_bytes)
    assert (len(answer.body), answer.body_truncated, answer.body_fault) == (limit_bytes, True, "")


@pytest.mark.parametrize("limit_bytes", [len(JSON) - 1, len(JSON), len(JSON) + 1])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "identity"])
def test_the_limit_counts_decoded_bytes(make_engine: MakeEngine, limit_bytes: int, coding: str) -> None:
    content = {"gzip": gzip.compress(JSON), "deflate": zlib.compress(JSON), "identity": JSON}[coding]
    answer = ask(make_engine, packed(content, coding), limit_bytes=limit_bytes)
    assert answer.body == JSON[:limit_bytes]
    assert (answer.body_truncated, answer.body_fault) == (limit_bytes < len(JSON), "")


@pytest.mark.parametrize(
    "body",
    [
        says_and_closes("HTTP/1.1 307 X\r\nLocation: /new\r\nContent-Length: 100\r\n\r\nhalf"),
        says("HTTP/1.1 307 X\r\nLocation: /new\r\nX: \xe4\r\nContent-Length: 3\r\nContent-Encoding: br\r\n\r\nabc"),
        keeps_open("HTTP/1.1 307 X\r\nLocation: /new\r\nContent-Length: 100\r\n\r\nhalf"),
    ],
    ids=["cut", "odd headers and coding", "hangs"],
)
def test_a_redirect_with_a_broken_body_is_followed_and_its_hop_read_like_any_answer(
    make_engine: MakeEngine, body: Any
) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/old", body)
            server.on("/new", packed(gzip.compress(b"z" * 100_000), "gzip"))
            request = replace(post(f"http://127.0.0.1:{server.port}/old"), read_limit_bytes=90_000)
            answer = answer_of(await engine.send(request))
            assert (answer.status, len(answer.body), answer.body_truncated) == (200, 90_000, True)
            assert server.requests[1].headers["accept-encoding"] == "identity"

    run(test())


def test_a_connection_serves_on_after_a_whole_body_and_ends_after_a_broken_one(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/plain", answers(200, "{}"))
            server.on("/chunks", says(OK + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"))
            server.on("/empty", answers(200, ""))
            server.on("/large", answers(200, "x" * 50_000))
            server.on("/hangs", keeps_open(OK + "Content-Length: 100\r\n\r\nhalf"))
            for path in ("plain", "chunks", "empty", "large", "plain"):
                await engine.send(post(f"http://127.0.0.1:{server.port}/{path}"))
            assert server.connections == 1
            await engine.send(post(f"http://127.0.0.1:{server.port}/hangs", timeout_seconds=0.3))
            await until(lambda: server.closed == 1)

    run(test())


@pytest.mark.parametrize("status", [200, 422, 503])
def test_a_body_that_nobody_needs_is_not_waited_for_long(make_engine: MakeEngine, status: int) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", keeps_open(f"HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\nhalf"))
            request = replace(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=15), needs_body=False)
            started = time.monotonic()
            answer = answer_of(await engine.send(request))
            assert answer.status == status and answer.body_fault
            assert time.monotonic() - started < 8
            await until(lambda: server.closed == 1)

    run(test())


def test_a_body_that_is_needed_is_waited_for(make_engine: MakeEngine) -> None:
    async def late(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        status = 207 if seen.target == "/207" else 200
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 4\r\n\r\nla".encode())
        await writer.drain()
        await asyncio.sleep(1.8)  # longer than an unneeded body is waited for
        writer.write(b"te")
        return True

    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/200", late)
            server.on("/207", late)
            url = f"http://127.0.0.1:{server.port}"
            needed = engine.send(post(f"{url}/200", timeout_seconds=10))
            always = engine.send(replace(post(f"{url}/207", timeout_seconds=10), needs_body=False))
            for result in await asyncio.gather(needed, always):
                answer = answer_of(result)
                assert (answer.body, answer.body_fault) == (b"late", "")

    run(test())


def test_a_call_cancelled_while_its_unneeded_body_is_waited_for_is_cancelled(make_engine: MakeEngine) -> None:
    async def test() -> None:
        async with served(make_engine) as (engine, server):
            server.on("/", keeps_open(OK + "Content-Length: 100\r\n\r\nhalf"))
            request = replace(post(f"http://127.0.0.1:{server.port}/", timeout_seconds=5), needs_body=False)
            call = asyncio.create_task(engine.send(request))
            await until(lambda: len(server.requests) == 1)
            await asyncio.sleep(0.05)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(test())


@pytest.mark.parametrize(
    "line", ["no colon", ": no name", "X-A : space", "X(A): v", "X-A: a\x01b", " folded first", "X\xe4: v"]
)
def test_lines_that_are_no_headers_are_passed_over(make_engine: MakeEngine, line: str) -> None:
    answer = ask(make_engine, says(f"{OK}{line}\r\nRetry-After: 5\r\nContent-Length: 2\r\n\r\nok"))
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (200, b"ok", "5")
