"""One connection: writes a request, reads its response, and says what the connection is good for afterwards.

A request is never sent twice: once the first byte of it was written, the server may have acted on it, even when the
connection breaks without a response. Such a call fails with ECONNRESET, and the delivery is retried on its schedule.
"""

import asyncio
import contextlib
import select
import socket
from typing import Protocol, TypeAlias, cast

from model.http.messages import HttpFailure, HttpResponse
from sinks.http.response_body import ChunkedBody, response_of
from sinks.http.response_head import MAX_HEAD_BYTES, ResponseHead, end_of_head, parsed_head
from sinks.http.transport_codes import failure_of

PoolKey: TypeAlias = tuple[str, str, str]  # scheme, authority, and address ('' for through the proxy)
WRITE_AT_ONCE_BYTES = 64 * 1024  # longer bodies are written in pieces of this size, as the server reads them
FIRST_FINAL_STATUS = 200
SWITCHING_PROTOCOLS = 101
_SALVAGE_BYTES = 256 * 1024
_LINE_ENDS = (b"\r", b"\n")


class Exchange(Protocol):
    """The call that a connection serves. ``limit_bytes``: how much of a body is read; ``has_no_body``: as with HEAD."""

    limit_bytes: int
    has_no_body: bool

    def finished(self, result: HttpResponse | HttpFailure) -> None:
        """Called once, with the connection ready for another request if it `is_reusable`."""

    def awaits_body(self, status: int) -> None:
        """Called when the head was received and the body was not."""


class ConnectionOwner(Protocol):
    """Where connections report that they are open or closed."""

    def opened(self, connection: "HttpConnection") -> None:
        """The connection is open."""

    def lost(self, connection: "HttpConnection") -> None:
        """The connection is closed."""


class HttpConnection(asyncio.Protocol):
    """Serves one call at a time."""

    transport: asyncio.Transport

    def __init__(self, key: PoolKey, owner: ConnectionOwner) -> None:
        self.key = key
        self.is_reusable = False  # after a call: nothing is left to write or to read
        self._owner = owner
        self._calls = 0
        self._call: Exchange | None = None
        self._unsent = memoryview(b"")
        self._paused = False
        self._received: bytes | bytearray = b""  # of a head that is not complete
        self._head_bytes = 0  # of all heads of this response, interim ones included
        self._head: ResponseHead | None = None
        self._body = bytearray()
        self._chunks: ChunkedBody | None = None

    def send(self, call: Exchange, head: bytes, body: bytes) -> None:
        """Start a call."""
        self._call = call
        self._calls += 1
        if len(body) <= WRITE_AT_ONCE_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self._unsent = memoryview(body)
            self._write_more()

    def is_usable(self) -> bool:
        """Whether an idle connection still looks open.

        Many servers close after their first response without announcing it. So before the second request, but not
        before each, the socket is asked.
        """
        return not self.transport.is_closing() and (self._calls != 1 or not self._has_input())

    def give_up(self, reason: str) -> None:
        """End the call because its time is up."""
        self._break(HttpFailure(code="ETIMEDOUT", message="operation timed out"), reason)

    def close(self) -> None:
        """Close an idle connection."""
        self.transport.close()

    def abort(self) -> None:
        """Close at once; a call that it serves is forgotten."""
        self._call = None
        self._unsent = memoryview(b"")
        self.transport.abort()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # those of uvloop are no instances of it
        self._owner.opened(self)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write_more()

    def data_received(self, data: bytes) -> None:
        if self._call is None:
            self.transport.abort()  # nobody asked: it must not become the response to the next request
        elif self._head is None:
            self._read_head(data)
        else:
            self._read_body(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._call is not None and error is not None:
            self._salvage()
        if self._call is not None:
            head = self._head
            if error is None and head is not None and head.length_bytes is None and not head.chunked:
                self._end(head, bytes(self._body))  # the body ends with the connection
            else:
                self._break(failure_of(error), failure_of(error).message)
        self._owner.lost(self)

    def _write_more(self) -> None:
        while self._unsent and not self._paused and not self.transport.is_closing():
            piece, self._unsent = self._unsent[:WRITE_AT_ONCE_BYTES], self._unsent[WRITE_AT_ONCE_BYTES:]
            self.transport.write(piece)

    def _has_input(self) -> bool:
        poll = select.poll()
        poll.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def _salvage(self) -> None:
        """Read what the server sent before it reset the connection: a write that failed comes before it otherwise.

        So a server that refuses a large body (413) and closes is understood.
        """
        open_socket = self.transport.get_extra_info("socket")
        if open_socket is None or self.transport.get_extra_info("sslcontext") is not None:
            return
        with contextlib.suppress(OSError), socket.socket(fileno=socket.dup(open_socket.fileno())) as sock:
            sock.setblocking(False)
            while self._call is not None and (data := sock.recv(_SALVAGE_BYTES)):
                self.data_received(data)

    def _read_head(self, data: bytes) -> None:
        received, begin, search_from = self._received, 0, 0
        if received:
            search_from = max(0, len(received) - 2)
            received += data
        else:
            received = data
        while True:
            while received[begin : begin + 1] in _LINE_ENDS:  # empty lines before a status line mean nothing
                begin = search_from = begin + 1
            end, begin_body = end_of_head(received, search_from)
            if end < 0:
                break
            try:
                head = parsed_head(bytes(received[begin:end]))
            except ValueError as error:
                self._fail(HttpFailure(code="PROTOCOL_ERROR", message=str(error)))
                return
            if head.status >= FIRST_FINAL_STATUS:
                self._received = b""
                self._begin_body(head, received[begin_body:])
                return
            if head.status == SWITCHING_PROTOCOLS:
                message = "the server switches protocols, which nobody asked for (101)"
                self._fail(HttpFailure(code="PROTOCOL_ERROR", message=message))
                return
            begin = search_from = begin_body
        self._head_bytes += begin
        self._received = bytearray(received[begin:]) if begin or isinstance(received, bytes) else received
        if self._head_bytes + len(self._received) > MAX_HEAD_BYTES:
            message = f"its headers are over {MAX_HEAD_BYTES} bytes"
            self._break(HttpFailure(code="PROTOCOL_ERROR", message=message), message)

    def _begin_body(self, head: ResponseHead, received: bytes | bytearray) -> None:
        call = self._call
        assert call is not None
        length = 0 if call.has_no_body else head.length_bytes
        if head.fault and length is None:
            self._end(head, b"", head.fault)
        elif length is not None and len(received) >= length:
            self._end(head, bytes(received[:length]), reusable=len(received) == length)
        else:
            self._head = head
            if head.chunked:
                self._chunks = ChunkedBody(self._body)
            self._read_body(received)
            if self._call is call:
                call.awaits_body(head.status)

    def _read_body(self, data: bytes | bytearray) -> None:
        head, call, body, chunks = self._head, self._call, self._body, self._chunks
        assert head is not None and call is not None
        fault = ""
        if chunks is not None:
            fault = chunks.feed(data)
        else:
            body += data
        if chunks is not None and chunks.complete:
            self._end(head, bytes(body), reusable=not chunks.surplus)
        elif head.length_bytes is not None and len(body) >= head.length_bytes:
            self._end(head, bytes(body[: head.length_bytes]), reusable=len(body) == head.length_bytes)
        elif fault or len(body) > call.limit_bytes:
            self._end(head, bytes(body[: call.limit_bytes + 1]), fault)

    def _break(self, failure: HttpFailure, fault: str) -> None:
        """End the call early: with a response if its status was received, else with the failure."""
        head = self._head
        end_of_lines = self._received.rfind(b"\n")
        if head is None and end_of_lines > 0:
            with contextlib.suppress(ValueError):  # the status line is complete, and perhaps headers after it
                head = parsed_head(bytes(self._received[:end_of_lines]))
        if head is None or head.status < FIRST_FINAL_STATUS:
            self._fail(failure)
        else:
            self._end(head, bytes(self._body), fault)

    def _end(self, head: ResponseHead, raw: bytes, fault: str = "", *, reusable: bool = False) -> None:
        call = self._reset()
        transport = self.transport
        self.is_reusable = (
            reusable
            and head.keep_alive
            and not self._unsent
            and not transport.is_closing()
            and not transport.get_write_buffer_size()
        )
        call.finished(response_of(head.status, head.headers, raw, limit_bytes=call.limit_bytes, fault=fault))

    def _fail(self, failure: HttpFailure) -> None:
        call = self._reset()
        self.is_reusable = False
        call.finished(failure)

    def _reset(self) -> Exchange:
        call = self._call
        assert call is not None
        self._call = self._head = self._chunks = None
        self._received = b""
        self._body = bytearray()  # nothing of it may get into the next response
        self._head_bytes = 0
        return call
