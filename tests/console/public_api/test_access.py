"""Every route demands a caller and an action, whatever is sent to it."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from console.api.routing import ApiRoute, Requires
from model.workspace.permissions import Action, Role, may
from tests.console.public_api.stub import API, bearer

ROUTES = list(iter_route_contexts(API.routes))
OPERATIONS = [(route, method) for route in ROUTES for method in route.methods or ()]


def actions(route: RouteContext) -> set[Action]:
    def calls(dependant: Dependant) -> Iterator[Any]:
        yield dependant.call
        for one in dependant.dependencies:
            yield from calls(one)

    return {call.action for call in calls(route.dependant) if isinstance(call, Requires)}


def path_of(route: RouteContext) -> str:
    return (route.path or "").replace("{", "").replace("}", "").replace(":path", "")


def test_each_route_demands_a_caller_and_one_action() -> None:
    for route in ROUTES:
        assert isinstance(route.original_route, ApiRoute), route.path
        assert len(actions(route)) == 1, route.path


def test_the_document_says_that_each_operation_needs_a_token() -> None:
    for methods in API.openapi()["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"token": []}] and {"401", "403"} <= set(operation["responses"])


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", b"x" * 100_000])
def test_an_unknown_caller_gets_nothing(stub: httpx.Client, body: bytes) -> None:
    for route, method in OPERATIONS:
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            answer = stub.request(method, f"{path_of(route)}?odd=1", content=body, headers=headers)
            assert answer.status_code == 401, (route.path, answer.text)
            assert answer.headers["www-authenticate"] == "Bearer" and "token" in answer.text


@pytest.mark.parametrize("role", Role)
def test_a_role_gets_what_its_action_allows(stub: httpx.Client, role: Role) -> None:
    for route, method in OPERATIONS:
        [action] = actions(route)
        answer = stub.request(method, path_of(route), content=b"{}", headers=bearer(role))
        assert (answer.status_code == 403) == (not may(role, action)), (route.path, role, answer.text)
        assert answer.status_code not in {401, 500}


def test_other_paths_and_methods_are_named_whoever_asks(stub: httpx.Client) -> None:
    for headers in ({}, bearer("owner")):
        assert stub.get("/docs", headers=headers).status_code == 404
        answer = stub.patch("/alerts/rules", headers=headers)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
        assert stub.options("/trace/a", headers=headers).status_code == 405
    assert stub.head("/alerts/rules", headers=bearer("read")).status_code == 200
    assert stub.head("/alerts/rules").status_code == 401
