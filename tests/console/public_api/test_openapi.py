"""The OpenAPI document, and the application held to it by requests made from it, good and bad ones."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import assume
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.meta import TestPhase

from console.public_api.openapi import document
from console.public_api.openapi_posts import VIEW_TYPES, EventToSend
from console.server import event_tester_api
from console.server import internal_api as api
from sinks.clickhouse.views import VIEWS
from tests.console.public_api.questions import OF_DESTINATION

TOKEN = {"Authorization": "Bearer read-token"}
# The rest are read the same way; and a test event would be sent.
TRIED = r"^/(delivery-overview|destinations|trace|views/event_trace)(/|$)"
# No schema can say that ids must exist, that a period ends after it begins, and that a cursor comes from an answer.
# What is well formed gets no cursor, and these; where every value there may be is tried, an id that 404 is said to:
# then the parameters were read, and the store is left alone.
EXISTING = {name: OF_DESTINATION[name] for name in ("sourceId", "destinationConfigId", "startTime", "endTime")}
UNKNOWN = {"sourceId": "nowhere"}
LONGEST_CHARS = 5_000  # encoded it may be twelve times as much; what is over 64 KB the server takes for no HTTP
SETTINGS = {
    "headers": TOKEN,
    "generation": {"max-examples": 6, "deterministic": True, "database": "none"},
    "phases": {"coverage": {"unexpected-methods": ["POST", "DELETE"]}},
}


def test_the_document_is_served(client: httpx.Client) -> None:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200 and answer.json() == document()
    assert document()["openapi"] == "3.1.0" and len(document()["paths"]) > 30


def test_everything_referred_to_is_there() -> None:
    names = document()["components"]["schemas"]

    def check(value: Any) -> None:
        if isinstance(value, dict):
            assert value.get("$ref", "").removeprefix("#/components/schemas/") in {"", *names}
            for part in value.values():
                check(part)
        elif isinstance(value, list):
            for part in value:
                check(part)

    check(document())


def test_what_may_be_posted_is_what_is_read() -> None:
    assert set(EventToSend.model_fields) == {*event_tester_api._TEXTS, *event_tester_api._SWITCHES, "event"}
    assert {*VIEW_TYPES} == {*api._HIGHEST, "String", "Array(String)"}
    paths = document()["paths"]
    assert {view for view in VIEWS if f"/views/{view}" in paths} >= {"balance", "key_metrics", "event_trace"}
    assert "/views/prior_outcomes" not in paths


described = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig.from_dict(SETTINGS))


@pytest.mark.slow
@described.include(path_regex=TRIED).parametrize()
def test_the_application_does_what_the_document_says(case: schemathesis.Case[Any], client: httpx.Client) -> None:
    if case.meta is not None and case.meta.generation.mode.is_positive:
        case.query.pop("pagination[cursor]", None)
        every = case.meta.phase.name == TestPhase.COVERAGE
        case.query.update(
            {name: value for name, value in (UNKNOWN if every else EXISTING).items() if name in case.query}
        )
        if "destinationId" in case.path_parameters:
            case.path_parameters["destinationId"] = "nowhere" if every else "crm"
    assume(len(str(case.query)) < LONGEST_CHARS)
    assume("\n" not in case.path_parameters.get("messageId", ""))  # no router lets a line break in a path through
    case.call_and_validate(base_url=str(client.base_url))
