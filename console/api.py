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
from sinks.store_schema import VIEWS

LONGEST_BODY_BYTES = 64 * 1024
_HIGHEST = {"UInt32": 2**32 - 1, "Int64": 2**63 - 1}  # by type of a view's parameter; nothing asked for is negative


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
                raise ValueError("parameters must be a JSON object")
            name = request.path_params["name"]
            _check_types(name, parameters)
            rows = await run_in_threadpool(lambda: store.view(name, **parameters))
        except (ValueError, TypeError) as error:
            return _json({"error": str(error)}, 400)
        except StoreError as error:
            return _json({"error": str(error)}, 503)
        return _json({"rows": rows}, 200)

    return Starlette(routes=[Route("/views/{name}", view, methods=["POST"])])


def _check_types(view: str, parameters: dict[str, Any]) -> None:
    """Refuse values the view would misread, or make the store fail; names are checked by `Store.view`."""
    kinds = VIEWS.get(view, {})
    if not {*kinds.values()} <= {*_HIGHEST, "String", "Array(String)"}:
        raise ValueError(f"view {view} is for the recording flow")
    for name, kind in kinds.items():
        highest = _HIGHEST.get(kind)
        value = parameters.get(name, 0 if highest else [] if kind == "Array(String)" else "")
        if kind == "String" and not isinstance(value, str):
            raise ValueError(f"{name} must be text")
        if kind == "Array(String)" and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise ValueError(f"{name} must be a list of texts")
        if highest and not (type(value) is int and 0 <= value <= highest):
            raise ValueError(f"{name} must be a whole number from 0 to {highest}")


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")
