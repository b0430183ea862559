"""What the OpenAPI document says of alerts is what the routes are."""

from typing import Any

import pytest

from console.alerts.http.api import AlertsApi
from console.public_api.openapi import document
from model.alerts.rule import RULE
from tests.kit.alert_rules import Kit


def test_every_path_and_method_stands_in_the_document_and_no_other() -> None:
    routes = AlertsApi(Kit(store=None).alerts(), lambda request: None).routes()  # type: ignore[arg-type]
    there = {(route.path, method.lower()) for route in routes for method in route.methods or () if method != "HEAD"}
    paths: dict[str, Any] = {path: of for path, of in document()["paths"].items() if path.startswith("/alerts/")}
    assert {(path, method) for path, of in paths.items() for method in of} == there


def test_a_rule_is_described_by_its_kinds() -> None:
    schema = document()["components"]["schemas"]["AlertRule"]
    assert set(schema["discriminator"]["mapping"]) == {"source-volume", "delivery-rate", "failed-events"}


@pytest.mark.parametrize("path", ["/alerts/history", "/alerts/subscriptions"])
def test_query_parameters_are_described(path: str) -> None:
    for operation in document()["paths"][path].values():
        for parameter in operation.get("parameters", []):
            assert parameter["description"] and "$ref" not in str(parameter["schema"])


def test_an_example_of_each_kind_is_a_rule() -> None:
    for example in (
        {"kind": "source-volume", "name": "x", "source": "web", "change_percent": 4},
        {"kind": "delivery-rate", "name": "x", "destination": "crm", "below_percent": 99.5},
        {"kind": "failed-events", "name": "x", "destination": "crm"},
    ):
        assert RULE.dump_python(RULE.validate_python(example), mode="json").items() >= example.items()
