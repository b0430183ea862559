"""The API of a running Waybill: reading views, testing a destination, alerts (`console.alerts.http.api`), and the
public API for scripts (`console.public_api`). Bearer tokens, loopback by default."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from console.access import AUTHOR_HEADER, AUTHOR_LIMIT_CHARS, REQUEST_BODY_LIMIT_BYTES, Caller, Identify
from console.public_api.routes import PublicApi, no_such_path
from flows.topics.interface import TopicError
from flows.workspace.live import CurrentWorkspace
from model.workspace.permissions import Action, Role, may
from sinks.clickhouse.store import Store, StoreError, ViewRefused
from sinks.clickhouse.views import VIEWS

_HIGHEST = {"UInt32": 2**32 - 1, "Int64": 2**63 - 1}  # by type of a view's parameter; nothing asked for is negative


EventTester = Callable[[dict[str, Any], Caller], dict[str, Any]]


def no_more(identify: Identify) -> Sequence[Route]:
    """Add no paths."""
    return ()


def create_api(
    store: Store,
    token: str,
    live: CurrentWorkspace,
    test_event: EventTester,
    clock: Callable[[], int],
    more: Callable[[Identify], Sequence[Route]] = no_more,
) -> Starlette:
    """Make the application. Every path needs ``Authorization: Bearer <token>``: the one of server.json, which its owner
    alone can read, or one of a user of the workspace. ``clock``: Unix ms. ``more``: makes further paths, given what
    tells who asks."""

    def caller(request: Request) -> Caller | None:
        given = request.headers.get("authorization", "")
        if secrets.compare_digest(given.encode(), f"Bearer {token}".encode()):
            return Caller(_author(request) or "owner of the data directory", Role.OWNER)
        user = live.current.user_of(given.removeprefix("Bearer ")) if given.startswith("Bearer ") else None
        return Caller(user.id, user.permission) if user else None

    def answering(action: Action, answer: Callable[[Request, dict[str, Any], Caller], dict[str, Any]]) -> Any:
        async def handle(request: Request) -> Response:
            known = caller(request)
            if known is None:
                return _json({"error": "the token of server.json or of a user of the workspace is needed"}, 401)
            if not may(known.role, action):
                return _json({"error": f"role {known.role} may not {action}; ask an owner"}, 403)
            if int(request.headers.get("content-length") or REQUEST_BODY_LIMIT_BYTES + 1) > REQUEST_BODY_LIMIT_BYTES:
                return _json({"error": "body too large or of unknown length"}, 413)
            try:
                parameters = orjson.loads(await request.body())
                if not isinstance(parameters, dict):
                    raise ValueError("parameters must be a JSON object")
                result = await run_in_threadpool(lambda: answer(request, parameters, known))
            except (ValueError, TypeError, ViewRefused) as error:
                return _json({"error": str(error)}, 400)
            except (StoreError, TopicError) as error:
                return _json({"error": str(error)}, 503)
            return _json(result, 200)

        return handle

    def view(request: Request, parameters: dict[str, Any], who: Caller) -> dict[str, Any]:
        name = request.path_params["name"]
        _check_types(name, parameters)
        return {"rows": store.view(name, **parameters)}

    def test(request: Request, parameters: dict[str, Any], who: Caller) -> dict[str, Any]:
        return test_event(parameters, who)

    def role_of(request: Request) -> Role | None:
        known = caller(request)
        return known.role if known else None

    public = PublicApi(lambda name, parameters: store.view(name, **parameters), live, role_of, clock)
    return Starlette(
        routes=[
            Route("/views/{name}", answering(Action.READ, view), methods=["POST"]),
            Route("/test-event", answering(Action.TEST_EVENT, test), methods=["POST"]),
            *more(caller),
            *public.routes(),
        ],
        exception_handlers={HTTPException: no_such_path},
    )


def _author(request: Request) -> str:
    name = unquote(request.headers.get(AUTHOR_HEADER, ""), errors="replace")
    return name if name.isprintable() and len(name) <= AUTHOR_LIMIT_CHARS else ""


def _check_types(view: str, parameters: dict[str, Any]) -> None:
    """Refuse values the view would misread, or make the store fail; names are checked by `Store.view`."""
    kinds = VIEWS.get(view, {})
    if not {*kinds.values()} <= {*_HIGHEST, "String", "Array(String)"}:
        raise ValueError(f"view {view} is for Waybill itself")
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
