"""Runs an ASGI app on a thread of this process, on an address known as soon as the call returns."""

import socket
import threading
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from console.errors import Failure

BACKLOG = 2_048  # connections the kernel holds while the loop is busy
STOP_SECONDS = 10  # requests under way get this long to finish
START_SECONDS = 30


class ServerFailed(Failure):
    """The app's own start-up failed; the log says why."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. ``port`` is the real one, also when 0 was asked for."""

    host: str
    port: int
    _uvicorn: uvicorn.Server
    _thread: threading.Thread

    def stop(self) -> None:
        """Take no more connections, finish requests under way (at most STOP_SECONDS), then return."""
        self._uvicorn.should_exit = True
        self._thread.join()


class _StartedServer(uvicorn.Server):
    """Says when it serves, so that nobody has to poll."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()


def serve_in_thread(app: ASGIApp, host: str, port: int) -> Server:
    """Serve ``app``; port 0 takes any free one. Raises OSError (address in use) or `ServerFailed`."""
    listening = _listen(host, port)
    # The access log stays off: request lines may carry write keys. log_config None leaves logging as the caller set it.
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,  # the app decides whom it believes; uvicorn would believe every caller on this machine
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = _StartedServer(config)

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            server.settled.set()
            listening.close()

    thread = threading.Thread(target=run, name=f"http-{listening.getsockname()[1]}", daemon=True)
    bound_port: int = listening.getsockname()[1]
    thread.start()
    if not server.settled.wait(START_SECONDS) or not server.started:
        server.should_exit = True
        raise ServerFailed(f"the server on {host}:{bound_port} did not start; see the log")
    return Server(host, bound_port, server, thread)


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening
