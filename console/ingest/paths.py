"""Removes superfluous slashes from paths: SDKs add one at the end, or double the one that ends a configured host."""

import re
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile(rb"/{2,}")


class PlainPaths:
    """Serves a path with doubled or trailing slashes as the path without them, without a redirect.

    ``//v1/import/`` is ``/v1/import``. An escaped slash (%2F) stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] == "http":
            raw: bytes = scope.get("raw_path") or scope["path"].encode()
            if raw.endswith(b"/") or b"//" in raw:
                raw = _SLASHES.sub(b"/", raw).rstrip(b"/") or b"/"
                scope = {**scope, "path": unquote(raw.decode("latin-1")), "raw_path": raw}
        await self._app(scope, receive, send)
