"""The API of a running Waybill for its own commands: reading views. Bearer token, loopback by default."""

import secrets
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sinks.store import Store, StoreError

LONGEST_BODY_BYTES = 64 * 1024


def create_api(store: Store, token: str) -> Starlette:
    """Make the application; every path needs ``Authorization: Bearer <token>``."""

    async def view(request: Request) -> Response:
        expected = f"Bearer {token}".encode()
        if not secrets.compare_digest(request.headers.get("authorization", "").encode(), expected):
            return _json({"error": "the token in server.json is needed"}, 401)
        if int(request.headers.get("content-length") or LONGEST_BODY_BYTES + 1) > LONGEST_BODY_BYTES:
            return _json({"error": "body too large or of unknown length"}, 413)
        try:
            parameters = orjson.loads(await request.body())
            if not isinstance(parameters, dict):
                raise TypeError("parameters must be a JSON object")
            rows = await run_in_threadpool(store.view, request.path_params["name"], **parameters)
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        except StoreError as error:
            return _json({"error": str(error)}, 503)
        return _json({"rows": rows}, 200)

    return Starlette(routes=[Route("/views/{name}", view, methods=["POST"])])


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
