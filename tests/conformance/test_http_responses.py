"""The HTTP engine's connection, fed with bytes: well-formed responses, servers that misbehave, and any split of both.

The expected results of well-formed responses are those of httpcore, the transport of httpx.
"""

import asyncio
from typing import Any, cast

import httpcore
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.http.messages import HttpFailure, HttpResponse
from sinks.http.connection import HttpConnection
from sinks.http.response_head import MAX_HEAD_BYTES

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LIMIT_BYTES = 1_000


class Transport:
    """Accepts everything."""

    closing = False

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        self.closing = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 0


class Owner:
    """Ignores what connections report."""

    def opened(self, connection: HttpConnection) -> None:
        pass

    def lost(self, connection: HttpConnection) -> None:
        pass


class Call:
    """One call. As the engine does, it closes a connection that is not reusable."""

    limit_bytes = LIMIT_BYTES

    def __init__(self, connection: HttpConnection, *, head: bool) -> None:
        self.has_no_body = head
        self.results: list[HttpResponse | HttpFailure] = []
        self.awaited: list[int] = []
        self._connection = connection

    def finished(self, result: HttpResponse | HttpFailure) -> None:
        self.results.append(result)
        if not self._connection.is_reusable:
            self._connection.abort()

    def awaits_body(self, status: int) -> None:
        self.awaited.append(status)


def received(pieces: list[bytes], *, closes: bool, head: bool = False) -> tuple[HttpResponse | HttpFailure, bool]:
    """What a call gets when these bytes come, and whether its connection may serve another call.

    Afterwards the server closes the connection, or the time of the call is up.
    """
    connection = HttpConnection(("http", "partner.test", "127.0.0.1"), Owner())
    transport = Transport()
    connection.connection_made(cast(asyncio.Transport, transport))
    before = Call(connection, head=False)  # a call before, whose response leaves no trace
    connection.send(before, b"POST / HTTP/1.1\r\n\r\n", b"")
    for piece in (OK, b"X-Before: y\r\nContent-Length: 6\r\n\r\n", b"bef", b"ore"):
        connection.data_received(piece)
    assert connection.is_reusable and len(before.results) == 1
    call = Call(connection, head=head)
    connection.send(call, b"POST / HTTP/1.1\r\n\r\n", b"")
    for piece in pieces:
        if piece and not transport.closing:
            connection.data_received(piece)
    if not call.results:
        if closes:
            transport.closing = True
            connection.connection_lost(None)
        else:
            connection.give_up("late")
    (result,) = call.results
    return result, not transport.closing


# Name: bytes, whether the server then closes, the status or the code, the body, whether it has a fault, whether the
# connection may serve again.
MISBEHAVING: dict[str, tuple[bytes, bool, int | str, bytes, bool, bool]] = {
    "nothing, closes": (b"", True, "ECONNRESET", b"", False, False),
    "nothing": (b"", False, "ETIMEDOUT", b"", False, False),
    "empty lines only": (b"\r\n\r\n\r\n", True, "ECONNRESET", b"", False, False),
    "empty lines first": (b"\r\n\n" + OK + b"Content-Length: 2\r\n\r\nok", False, 200, b"ok", False, True),
    "another protocol": (b"220 smtp.example ESMTP\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "a TLS alert": (b"\x15\x03\x01\x00\x02\x02\x46\n\n", False, "PROTOCOL_ERROR", b"", False, False),
    "HTTP/0.9": (b"<html>hello</html>", True, "ECONNRESET", b"", False, False),
    "HTTP/2": (b"HTTP/2 200\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "the preface of HTTP/2": (b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "lower case": (b"http/1.1 200 OK\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "status of two digits": (b"HTTP/1.1 20 OK\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "status 000": (b"HTTP/1.1 000 X\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "status in other digits": ("HTTP/1.1 ２００ OK\r\n\r\n".encode(), False, "PROTOCOL_ERROR", b"", False, False),
    "status 999": (b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n", False, 999, b"", False, True),
    "no reason phrase": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", False, 200, b"ok", False, True),
    "two spaces": (b"HTTP/1.1  200  OK\r\nContent-Length: 2\r\n\r\nok", False, 200, b"ok", False, True),
    "latin-1 reason": (b"HTTP/1.1 200 \xe4\xff\r\nContent-Length: 2\r\n\r\nok", False, 200, b"ok", False, True),
    "LF alone": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", False, 200, b"ok", False, True),
    "LF and CRLF": (b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\nok", False, 200, b"ok", False, True),
    "body with empty lines after LF": (
        b"HTTP/1.1 200 OK\nContent-Length: 6\n\na\r\n\r\nb", False, 200, b"a\r\n\r\nb", False, True),
    "CR alone": (b"HTTP/1.1 200 OK\rContent-Length: 2\r\rok", True, "ECONNRESET", b"", False, False),
    "CR in a header": (OK + b"X: a\rContent-Length: 9\r\nContent-Length: 2\r\n\r\nok", False, 200, b"ok", False, True),
    "NUL in a header": (OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\nok", False, 200, b"ok", False, True),
    "1,000 headers": (
        OK + b"".join(b"X-%d: y\r\n" % n for n in range(1_000)) + b"Content-Length: 2\r\n\r\nok",
        False, 200, b"ok", False, True),
    "headers without end": (OK + b"X: y\r\n" * 100_000, False, 200, b"", True, False),
    "interim without end": (b"HTTP/1.1 100 C\r\n\r\n" * 20_000, False, "PROTOCOL_ERROR", b"", False, False),
    "interim, then closes": (b"HTTP/1.1 102 Processing\r\n\r\n", True, "ECONNRESET", b"", False, False),
    "interim, then garbage": (b"HTTP/1.1 103 E\r\n\r\nhello\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "switches protocols": (b"HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n", False, "PROTOCOL_ERROR", b"", False, False),
    "status line, closes": (OK, True, 200, b"", True, False),
    "status line cut": (b"HTTP/1.1 200 O", True, "ECONNRESET", b"", False, False),
    "headers cut": (b"HTTP/1.1 503 X\r\nRetry-After: 5\r\nX-", True, 503, b"", True, False),
    "length negative": (OK + b"Content-Length: -1\r\n\r\nok", False, 200, b"", True, False),
    "length with a sign": (OK + b"Content-Length: +2\r\n\r\nok", False, 200, b"", True, False),
    "length hexadecimal": (OK + b"Content-Length: 0x2\r\n\r\nok", False, 200, b"", True, False),
    "length empty": (OK + b"Content-Length:\r\n\r\nok", False, 200, b"", True, False),
    "length in other digits": (OK + b"Content-Length: \xb2\r\n\r\nok", False, 200, b"", True, False),
    "length of 5,000 digits": (OK + b"Content-Length: " + b"9" * 5_000 + b"\r\n\r\nok", False, 200, b"", True, False),
    "lengths that differ": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", False, 200, b"", True, False),
    "lengths that agree": (OK + b"Content-Length: 2\r\nContent-Length: 2, 2\r\n\r\nok", False, 200, b"ok", False, True),
    "length in a folded line": (OK + b"Content-Length:\r\n 2\r\n\r\nok", False, 200, b"ok", False, True),
    "length with a space before the colon": (OK + b"Content-Length : 2\r\n\r\nok", False, 200, b"ok", False, True),
    "length too large": (OK + b"Content-Length: 3\r\n\r\nok", True, 200, b"ok", True, False),
    "length too small": (OK + b"Content-Length: 2\r\n\r\nokay", False, 200, b"ok", False, False),
    "a second response": (
        OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 2\r\n\r\nno", False, 200, b"ok", False, False),
    "length and chunks": (
        OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        False, 200, b"abc", False, False),
    "no length, closes": (OK + b"\r\nok", True, 200, b"ok", False, False),
    "no length": (OK + b"\r\nok", False, 200, b"ok", True, False),
    "chunk size not hexadecimal": (CHUNKED + b"2\r\nok\r\nxyz\r\n", False, 200, b"ok", True, False),
    "chunk size negative": (CHUNKED + b"-2\r\nok\r\n", False, 200, b"", True, False),
    "chunk size over 64 bits": (CHUNKED + b"f" * 17 + b"\r\nok\r\n", False, 200, b"", True, False),
    "chunk longer than its size": (CHUNKED + b"2\r\nokay\r\n0\r\n\r\n", False, 200, b"ok", True, False),
    "chunks cut": (CHUNKED + b"2\r\nok\r\n", True, 200, b"ok", True, False),
    "last chunk cut": (CHUNKED + b"2\r\nok\r\n0\r\n", True, 200, b"ok", True, False),
    "chunks and more": (CHUNKED + b"2\r\nok\r\n0\r\n\r\nmore", False, 200, b"ok", False, False),
    "chunks that are coded": (
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", False, 200, b"", True, True),
    "chunked is not last": (OK + b"Transfer-Encoding: chunked, gzip\r\n\r\nok", True, 200, b"", True, False),
    "an unknown coding": (OK + b"Transfer-Encoding: zip\r\n\r\nok", True, 200, b"", True, False),
    "204 with a body": (b"HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nok", False, 204, b"", False, False),
    "304 with a length": (b"HTTP/1.1 304 X\r\nContent-Length: 9\r\n\r\n", False, 304, b"", False, True),
    "more than the limit": (
        OK + b"Content-Length: 5000\r\n\r\n" + b"y" * 4_000, False, 200, b"y" * 1_000, False, False),
    "more than the limit in chunks": (
        CHUNKED + b"7d0\r\n" + b"y" * 2_000 + b"\r\n", False, 200, b"y" * 1_000, False, False),
    "without length and end": (OK + b"\r\n" + b"y" * 4_000, False, 200, b"y" * 1_000, False, False),
}  # fmt: skip


@pytest.mark.parametrize("name", MISBEHAVING)
def test_a_server_that_misbehaves(name: str) -> None:
    sent, closes, outcome, body, faulty, reusable = MISBEHAVING[name]
    result, serves_again = received([sent[at : at + 65_536] for at in range(0, len(sent), 65_536)], closes=closes)
    assert (result.code if isinstance(result, HttpFailure) else result.status) == outcome
    if isinstance(result, HttpResponse):
        assert (result.body, bool(result.body_fault)) == (body, faulty), result.body_fault
    assert serves_again == reusable


@pytest.mark.parametrize("name", [name for name, (sent, *_) in MISBEHAVING.items() if len(sent) < 1_000])
def test_a_server_that_misbehaves_byte_by_byte(name: str) -> None:
    sent, closes, *_ = MISBEHAVING[name]
    _assert_same(sent, [sent[at : at + 1] for at in range(len(sent))], closes=closes)


def test_a_response_to_head_has_no_body() -> None:
    for framing in (b"Content-Length: 100\r\n", b"Transfer-Encoding: chunked\r\n", b""):
        result, serves_again = received([OK + framing + b"\r\n"], closes=False, head=True)
        assert isinstance(result, HttpResponse) and (result.status, result.body, result.body_fault) == (200, b"", "")
        assert serves_again == bool(framing)


def test_a_large_head_may_come_in_small_pieces() -> None:
    sent = OK + b"X: " + b"y" * (MAX_HEAD_BYTES - 100) + b"\r\nContent-Length: 0\r\n\r\n"
    result, serves_again = received([sent[at : at + 9] for at in range(0, len(sent), 9)], closes=False)
    assert isinstance(result, HttpResponse) and result.status == 200 and serves_again


def _assert_same(sent: bytes, pieces: list[bytes], *, closes: bool) -> None:
    whole, serves_again = received([sent], closes=closes)
    split, split_serves_again = received(pieces, closes=closes)
    assert serves_again == split_serves_again
    if isinstance(whole, HttpResponse) and isinstance(split, HttpResponse):
        assert (whole.status, whole.headers, whole.body) == (split.status, split.headers, split.body)
        assert (bool(whole.body_fault), whole.body_truncated) == (bool(split.body_fault), split.body_truncated)
    else:
        assert whole == split


FRAGMENTS = st.sampled_from(
    [OK, b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.0 503 X\r\n", b"HTTP/1.1 204 X\n", b"Content-Length: 5\r\n",
     b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
     b"Connection: keep-alive\r\n", b"X: y\r\n", b" folded\r\n", b"no header\r\n", b"\r\n", b"\r\n\r\n",
     b"\n", b"\r", b"5\r\nhello\r\n", b"0\r\n\r\n",
     b"0\r\n", b"hello", b"zz", b"\0", b"y" * 300]
)  # fmt: skip


@given(st.lists(FRAGMENTS, max_size=10), st.lists(st.integers(0, 400), max_size=6), st.booleans())
@settings(max_examples=200, deadline=None)
@example([OK, b"Content-Length: 5\r\n", b"\r\n", b"hello", b"hello"], [45], False)
@example([b"HTTP/1.1 100 C\r\n\r\n", b"\r\n", OK, b"Content-Length: 0\r\n", b"\r\n"], [18, 19, 20], False)
def test_any_split_of_any_bytes_gives_the_same_result(fragments: list[bytes], cuts: list[int], closes: bool) -> None:
    sent = b"".join(fragments)
    edges = [0, *sorted(min(cut, len(sent)) for cut in cuts), len(sent)]
    _assert_same(sent, [sent[a:b] for a, b in zip(edges, edges[1:], strict=False)], closes=closes)


def _by_httpcore(sent: bytes) -> tuple[int, bytes] | None:
    """Status and body as httpcore reads them; None when it refuses them. The server closes after ``sent``."""
    stream = httpcore.MockStream([sent, b""])
    with httpcore.HTTP11Connection(httpcore.Origin(b"http", b"partner.test", 80), cast(Any, stream)) as connection:
        try:
            response = connection.request("POST", "http://partner.test/")
        except httpcore.ProtocolError:
            return None
        return response.status, response.content


HEADER_VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A response with valid headers, whose body is framed in one of three ways, perhaps cut or with bytes after it."""
    status = draw(st.sampled_from([200, 201, 204, 304, 307, 400, 422, 429, 503]))
    lines = [b"HTTP/1.1 %d X" % status]
    lines += [f"X-{n}: {value}".encode() for n, value in enumerate(draw(st.lists(HEADER_VALUES, max_size=4)))]
    body = draw(st.binary(max_size=200))
    match draw(st.sampled_from(["length", "chunks", "until closed"])):
        case "length":
            lines.append(b"content-length: %d" % len(body))
        case "chunks":
            lines.append(b"Transfer-Encoding: chunked")
            size = draw(st.integers(1, 100))
            parts = [body[at : at + size] for at in range(0, len(body), size)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * draw(st.integers(0, 2))
    whole = interim + b"\r\n".join([*lines, b"", b""]) + (b"" if status in (204, 304) else body)
    return whole[: draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))]


@given(responses())
@settings(max_examples=100, deadline=None)
def test_responses_are_read_as_httpx_reads_them(sent: bytes) -> None:
    expected = _by_httpcore(sent)
    result, _ = received([sent], closes=True)
    if expected is None:
        assert isinstance(result, HttpFailure) or result.body_fault
    else:
        assert isinstance(result, HttpResponse)
        assert (result.status, result.body, result.body_fault) == (*expected, "")
