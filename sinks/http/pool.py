"""Keeps the open connections of an engine, and lends the idle ones.

A connection is used again only for the same origin at the same address, so a connection to a host's former address
serves nobody and is closed when it has been idle for long enough.
"""

import asyncio
import time

from sinks.http.connection import HttpConnection, PoolKey

IDLE_SECONDS = 30.0
MAX_IDLE_CONNECTIONS = 512
SWEEP_SECONDS = 5.0
_CLOSE_SECONDS = 2.0


class ConnectionPool:
    """Owns which connections are open and which of them are idle. Belongs to one event loop."""

    def __init__(self) -> None:
        self._open: set[HttpConnection] = set()
        self._idle: dict[HttpConnection, float] = {}  # since when; the longest idle first
        self._idle_by_key: dict[PoolKey, dict[HttpConnection, None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def opened(self, connection: HttpConnection) -> None:
        """Called by each connection once it is open."""
        self._open.add(connection)

    def lost(self, connection: HttpConnection) -> None:
        """Called by each connection once it is closed."""
        self._open.discard(connection)
        self._forget(connection)

    def take(self, key: PoolKey) -> HttpConnection | None:
        """Lend an idle connection, the one used last; None if there is none."""
        while connections := self._idle_by_key.get(key):
            connection = next(reversed(connections))
            self._forget(connection)
            if connection.is_usable():
                return connection
            connection.close()
        return None

    def put(self, connection: HttpConnection) -> None:
        """Take back a connection that can serve another request."""
        self._idle[connection] = time.monotonic()
        self._idle_by_key.setdefault(connection.key, {})[connection] = None
        if len(self._idle) > MAX_IDLE_CONNECTIONS:
            self._close(next(iter(self._idle)))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    async def close(self) -> None:
        """Close all connections at once, and wait until their sockets are closed."""
        if self._timer is not None:
            self._timer.cancel()
        for connection in list(self._open):
            connection.abort()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while self._open and time.monotonic() < deadline:
            await asyncio.sleep(0.001)

    def _sweep(self) -> None:
        self._timer = None
        latest = time.monotonic() - IDLE_SECONDS
        for connection in [one for one, since in self._idle.items() if since <= latest]:
            self._close(connection)
        if self._idle:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _close(self, connection: HttpConnection) -> None:
        self._forget(connection)
        connection.close()

    def _forget(self, connection: HttpConnection) -> None:
        if self._idle.pop(connection, None) is not None:
            connections = self._idle_by_key[connection.key]
            del connections[connection]
            if not connections:
                del self._idle_by_key[connection.key]
