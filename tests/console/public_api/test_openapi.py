"""The OpenAPI document, and the application held to it by requests made from it, good and bad ones, of every role."""

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import assume
from schemathesis.config import SchemathesisConfig
from schemathesis.generation.meta import TestPhase

from model.alerts.rule import RULE
from sinks.clickhouse.views import VIEWS
from tests.console.public_api.questions import OF_DESTINATION
from tests.console.public_api.stub import API, bearer

DOCUMENT = API.openapi()
# The rest are read the same way; and a test event would be sent.
TRIED = r"^/(delivery-overview|destinations|trace|views/event_trace)(/|$)"
# No schema can say that ids must exist, that a period ends after it begins, and that a cursor comes from an answer.
# What is well formed gets no cursor, and these; where every value there may be is tried, an id that 404 is said to:
# then the parameters were read, and the store is left alone.
EXISTING = {name: OF_DESTINATION[name] for name in ("sourceId", "destinationConfigId", "startTime", "endTime")}
UNKNOWN = {"sourceId": "nowhere"}
LONGEST_CHARS = 5_000  # encoded it may be twelve times as much; what is over 64 KB the server takes for no HTTP
SETTINGS = {
    "headers": bearer("read"),
    "generation": {"max-examples": 6, "deterministic": True, "database": "none"},
    "phases": {"coverage": {"unexpected-methods": ["POST", "DELETE"]}},
}
QUICK = {
    "generation": {"max-examples": 4, "deterministic": True, "database": "none", "with-security-parameters": False},
    "phases": {"coverage": {"enabled": False}},
}
CONFORMING = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
]


def test_the_document_is_served(client: httpx.Client) -> None:
    answer = client.get("/openapi.json")
    assert answer.status_code == 200 and answer.json() == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0" and len(DOCUMENT["paths"]) > 30


def test_everything_referred_to_is_there() -> None:
    names = DOCUMENT["components"]["schemas"]

    def check(value: Any) -> None:
        if isinstance(value, dict):
            assert value.get("$ref", "").removeprefix("#/components/schemas/") in {"", *names}
            for part in value.values():
                check(part)
        elif isinstance(value, list):
            for part in value:
                check(part)

    check(DOCUMENT)


def test_views_for_waybill_itself_are_not_in_the_document() -> None:
    paths = DOCUMENT["paths"]
    assert {view for view in VIEWS if f"/views/{view}" in paths} >= {"balance", "key_metrics", "event_trace"}
    assert "/views/prior_outcomes" not in paths


def test_operations_have_distinct_ids_and_describe_their_parameters() -> None:
    operations = [one for methods in DOCUMENT["paths"].values() for one in methods.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    for one in operations:
        assert one["summary"] and ("422" in one["responses"]) != ("400" in one["responses"])
        assert all(known.get("description") or known["name"] == "id" for known in one.get("parameters", []))


def test_a_rule_is_described_by_its_kinds() -> None:
    schema = DOCUMENT["components"]["schemas"]["AlertRule"]
    assert set(schema["discriminator"]["mapping"]) == {"source-volume", "delivery-rate", "failed-events"}


def test_an_example_of_each_kind_is_a_rule() -> None:
    for example in (
        {"kind": "source-volume", "name": "x", "source": "web", "change_percent": 4},
        {"kind": "delivery-rate", "name": "x", "destination": "crm", "below_percent": 99.5},
        {"kind": "failed-events", "name": "x", "destination": "crm"},
    ):
        assert RULE.dump_python(RULE.validate_python(example), mode="json").items() >= example.items()


@pytest.mark.parametrize("path", ["/alerts/history", "/alerts/subscriptions"])
def test_query_parameters_are_described(path: str) -> None:
    for operation in DOCUMENT["paths"][path].values():
        for parameter in operation.get("parameters", []):
            assert parameter["description"] and "$ref" not in str(parameter["schema"])


quick = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(QUICK))


@quick.exclude(path_regex="^/views/[^be]").parametrize()
def test_each_operation_answers_each_role_as_the_document_says(
    case: schemathesis.Case[Any], stub: httpx.Client
) -> None:
    assume(len(str(case.query)) < LONGEST_CHARS)
    assert case.call(base_url=str(stub.base_url)).status_code == 401
    for role in ("read", "write", "owner"):
        answer = case.call(base_url=str(stub.base_url), headers=bearer(role))
        assert answer.status_code != 401 and (role != "owner" or answer.status_code != 403)
        case.validate_response(answer, checks=CONFORMING)


described = schemathesis.openapi.from_dict(DOCUMENT, config=SchemathesisConfig.from_dict(SETTINGS))


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
