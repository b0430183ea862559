"""A ClickHouse server for tests: ``python -m tests.kit.clickhouse.server DIRECTORY [PORT]`` prints ``ready PORT``.

    GET /ping              Ok.
    POST /?query=...       statements, as ClickHouse takes them (tests/kit/clickhouse/engine.py says what is left out)
    POST /control          {"hang": true} or {"reset": 2, "lost": 1} or {"refuse": {"text": "", "code": 252, ...}}
    GET /control           what faults are left, how many answers were lost, the statements so far

SIGTERM ends it cleanly; kill it, and start it again on the same port, to have a server that is down for a while.
"""

import signal
import socket
import struct
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson

from tests.kit.clickhouse.engine import Engine
from tests.kit.clickhouse.faults import Faults
from tests.kit.clickhouse.http_request import Refused, read_body, read_statement
from tests.kit.clickhouse.protocol import ENCODERS, Answer

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, port: int, engine: Engine) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.engine = engine
        self.faults = Faults()

    def shutdown_request(self, request: Any) -> None:
        """Close without the polite half-close, which would come before a reset."""
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the test."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """A statement in the URL, a ping, or the control."""
        path = self.path.partition("?")[0]
        if path == "/control":
            self._send(Answer(200, {}, orjson.dumps(self.server.faults.report())))
        elif path == "/ping" or "query=" not in self.path:
            self._send(Answer(200, {}, b"Ok.\n"))
        else:
            self._run(b"")

    def do_POST(self) -> None:
        """A statement or the control."""
        body = read_body(self.rfile, self.headers)
        if self.path == "/control":
            self.server.faults.order(**orjson.loads(body))
            self._send(Answer(200, {}, b""))
        else:
            self._run(body)

    def _run(self, body: bytes) -> None:
        faults = self.server.faults
        try:
            statement = read_statement(self.command, self.path, self.headers, body)
        except Refused as refused:
            self._send(refused.answer)
            return
        fault = faults.meet(statement, self.headers.get("Content-Encoding", ""))
        if fault == "reset":
            self._reset()
        elif fault.isdigit():
            self._send(Answer(int(fault), {}, b"<html>out of order</html>"))
        else:
            answer = faults.refused(statement) or self.server.engine.run(statement)
            if fault == "lost":
                self._reset()
            else:
                self._send(answer, cut=fault == "cut")

    def _send(self, answer: Answer, *, cut: bool = False) -> None:
        body, headers = answer.body, dict(answer.headers)
        wanted = [name.strip() for name in self.headers.get("Accept-Encoding", "").split(",")]
        encoding = next((name for name in wanted if name in ENCODERS), "")
        if encoding and body and "enable_http_compression=1" in self.path and answer.status == 200:
            body, headers["Content-Encoding"] = ENCODERS[encoding](body), encoding
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self._reset()

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def main(directory: str, port: str = "0") -> None:
    """Serve until SIGTERM."""
    engine = Engine(Path(directory))
    with Server(int(port), engine) as server:
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
        sys.stdout.write(f"ready {server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.05)
    engine.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
