"""The SDK and Grafana's own types accept the examples and find what is misspelt."""

from typing import Any

import pytest

from tests.dashboards.grafana.example import broken, document
from tests.dashboards.grafana.node import NodeMissing, node_modules
from tests.dashboards.grafana.roundtrip import lost_keys
from tests.dashboards.grafana.typecheck import TYPES, type_errors


@pytest.mark.parametrize("name", ["example", "example-detail"])
def test_the_sdk_knows_every_key_of_an_example(name: str) -> None:
    assert list(lost_keys(document(name))) == []


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("titel", "titel is not known"),
        ("panels.0.fieldConfig.defaults.unti", "panels[0].fieldConfig.defaults.unti"),
        ("panels.0.options.colorMod", "panels[0].options.colorMod"),
        ("templating.list.0.refersh", "templating.list[0].refersh"),
    ],
)
def test_a_key_the_sdk_does_not_know_is_named(path: str, place: str) -> None:
    assert any(place in text for text in lost_keys(broken(path, 1).json))


@pytest.fixture(scope="module")
def node() -> None:
    try:
        node_modules(TYPES / "package.json")
    except NodeMissing as error:
        pytest.skip(str(error))


def test_grafanas_types_take_the_examples_and_refuse_what_is_wrong(node: None) -> None:
    wrong: dict[str, Any] = {
        "unknown key": broken("panels.0.fieldConfig.defaults.unti", "ms").json,
        "wrong number": broken("graphTooltip", 7).json,
        "wrong type": broken("refresh", 5).json,
    }
    found = type_errors({name: document(name) for name in ("example", "example-detail")} | wrong)
    assert {name for name in wrong if any(name in line for line in found)} == set(wrong)
    assert [line for line in found if line.startswith("example")] == []
